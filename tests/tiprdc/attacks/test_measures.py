"""Each measure finds what it is for, and finds nothing where there is nothing."""

from __future__ import annotations

from itertools import starmap

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from tiprdc.attacks import linkability as link
from tiprdc.attacks.attacker_data import attacker_data
from tiprdc.attacks.membership import auc, membership
from tiprdc.attacks.reconstruction import picture_scores
from tiprdc.attacks.retrieval import retrieval
from tiprdc.attacks.worst_people import most_confident, subgroups
from tiprdc.datasets.schema import Column
from tiprdc.formats.audit_report import Measure


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def fair(people: int) -> np.ndarray:
    return np.arange(people) % 2


def test_a_fully_exposed_minority_shows_among_the_surest_and_not_in_the_average() -> None:
    rng, truth = np.random.default_rng(0), fair(2000)
    said = rng.uniform(0.4, 0.6, size=2000)
    exposed = rng.permutation(2000)[:40]
    said[exposed] = np.where(truth[exposed] == 1, 0.99, 0.01)
    both = np.stack([1 - said, said], 1)
    assert np.mean(np.argmax(both, 1) == truth) < 0.55
    one, five = most_confident("u", both, truth, 0.95)
    assert (one.people, one.value) == (20, 1.0)
    assert five.people == 100
    assert one.low is not None
    assert one.low > 0.8
    assert one.baseline == 0.5


def test_the_surest_of_a_guesser_are_no_worse_off() -> None:
    alarms = 0
    for seed in range(200):
        said = np.random.default_rng(seed).uniform(size=600)
        (five,) = list(most_confident("u", np.stack([1 - said, said], 1), fair(600), 0.95))
        assert five.low is not None
        alarms += five.low > 0.5
    assert alarms <= 0.05 * 200 + 3 * (200 * 0.05 * 0.95) ** 0.5


def test_equal_certainty_is_not_ordered_by_the_rows() -> None:
    truth = np.repeat([0, 1], 500)
    (_, five) = most_confident("u", np.tile([0.6, 0.4], (1000, 1)), truth, 0.95)
    assert 0.2 < five.value < 0.8


def test_an_exposed_subgroup_is_found_and_balanced() -> None:
    rng, truth = np.random.default_rng(1), fair(3000)
    group = (rng.uniform(size=3000) < np.where(truth == 1, 0.2, 0.1)).astype(np.int64)
    said = np.where(group == 1, 0.9 * truth + 0.05, rng.uniform(size=3000))
    tasks = {"hat": (group, ("no", "yes"))}
    no, yes = subgroups("u", np.stack([1 - said, said], 1), truth, tasks, 0.95)
    assert (no.name, yes.name) == ("hat: no", "hat: yes")
    assert yes.value == 1
    assert no.low is not None
    assert no.low < 0.5
    assert yes.people == 2 * min(np.sum(group[truth == k]) for k in (0, 1))


def side(people: int, own: float, seed: int, records: int = 2) -> link.Side:
    """Features that hold `own` of who somebody is, in directions of little variance."""
    rng = np.random.default_rng(seed)
    who = rng.normal(size=(people, 6))
    z = [
        np.concatenate([own * who + 0.3 * rng.normal(size=(people, 6)),
                        3 * rng.normal(size=(people, 6))], 1)
        for _ in range(records)
    ]  # fmt: skip
    names = np.array([f"{seed}-{n}" for n in range(people)] * records)
    return link.Side(np.concatenate(z).astype(np.float32), names)


def linked(own: float, records: int = 2) -> tuple[Measure, ...]:
    parts = starmap(side, [(150, own, 1, 2), (60, own, 2, 2), (150, own, 3, records)])
    return link.linkability(*parts, 0.95, 0, "released")


def test_people_are_joined_by_features_that_hold_who_they_are() -> None:
    rank, eer = linked(1.0)
    assert rank.low is not None
    assert rank.low > 0.4
    assert rank.baseline == 1 / 150
    assert eer.value < 0.1
    assert eer.high is not None
    assert eer.low is not None
    assert eer.low <= eer.value <= eer.high < 0.2


def test_people_are_not_joined_by_noise() -> None:
    rank, eer = linked(0.0)
    assert rank.low is not None
    assert rank.baseline is not None
    assert rank.low <= rank.baseline
    assert eer.low is not None
    assert eer.high is not None
    assert eer.low < 0.5 < eer.high


def test_constant_features_join_nobody() -> None:
    parts = [link.Side(np.ones((200, 3), np.float32), side(100, 0, n).person) for n in range(3)]
    rank, eer = link.linkability(*parts, 0.95, 0, "released")
    assert rank.value < 0.06
    assert eer.value == 0.5


def test_one_record_a_person_says_nothing() -> None:
    assert linked(1.0, records=1) == ()


def test_the_equal_error_rate_of_two_normals() -> None:
    """Unit normals two apart: the error at the middle is Phi(-1)."""
    rng = np.random.default_rng(0)
    distance = rng.normal(2, 1, size=(400, 400))
    distance[np.diag_indices(400)] = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    assert link.equal_error_rate(distance) == pytest.approx(stats.norm.cdf(-1), abs=0.01)


def test_auc_is_sklearns_and_its_bounds_hold() -> None:
    rng = np.random.default_rng(0)
    misses = 0
    for _ in range(400):
        members, others = rng.normal(0.5, 1, 80).round(1), rng.normal(0, 1, 120).round(1)
        low, value, high = auc(members, others, 0.95)
        truth = np.repeat([1, 0], [80, 120])
        assert value == pytest.approx(roc_auc_score(truth, np.concatenate([members, others])))
        true = stats.norm.cdf(0.5 / np.sqrt(2))
        misses += (low > true) + (high < true)
    assert misses / 800 == pytest.approx(0.05, abs=0.025)


def fresh(people: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(people, 8)).astype(np.float32)


def test_members_whose_features_lie_elsewhere_are_found() -> None:
    known = 1.6 * fresh(900, 0)
    area, found, false = membership(
        known, fresh(500, 1), fresh(250, 2), fresh(500, 3), 0.95, 0, "released"
    )
    assert area.low is not None
    assert area.low > 0.7
    assert found.value > 0.1
    assert false.value < 0.05


def test_members_like_anybody_are_not_found() -> None:
    area, found, _ = membership(
        fresh(900, 0), fresh(500, 1), fresh(250, 2), fresh(500, 3), 0.95, 0, "released"
    )
    assert area.low is not None
    assert area.low < 0.5
    assert found.value < 0.06


def test_few_members_say_nothing() -> None:
    few = [fresh(60, n) for n in range(4)]
    assert membership(*few, 0.95, 0, "released") == ()


def curve(weight: float) -> tuple[Measure, ...]:
    rng = np.random.default_rng(0)
    u = fair(1600)
    z = rng.normal(size=(1600, 60)).astype(np.float32)
    z[:, :30] += weight * (2 * u[:, None] - 1)
    people = np.array([f"p{n}" for n in range(800)])
    return attacker_data(
        "u", "logistic_regression", (z[:800], u[:800]), (z[800:], u[800:], people), 2, 0.95, 0
    )


def test_more_data_helps_where_the_signal_is_spread_thin_and_not_where_there_is_none() -> None:
    *steps, last = curve(0.15)
    assert [step.name.split()[-2] for step in steps] == ["100", "200", "400", "800"]
    assert steps[-1].value > steps[0].value + 0.05
    *steps, last = curve(0.0)
    assert last.low is not None
    assert last.low <= 0
    assert abs(steps[-1].value - 0.5) < 0.06


def rebuilt(noise: float) -> tuple[Measure, ...]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, size=(250, 3, 8, 8)).astype(np.uint8)
    made = np.clip(x / 255 + noise * rng.normal(size=x.shape), 0, 1).astype(np.float32)
    return retrieval(made, x, (), 0.95, "released")


def test_the_true_picture_is_found_by_what_was_rebuilt_of_it() -> None:
    (found,) = rebuilt(0.3)
    assert (found.people, found.value, found.baseline) == (200, 1.0, 0.01)
    (found,) = rebuilt(1000.0)
    assert found.value < 0.05


def test_a_mean_picture_finds_nobody() -> None:
    x = np.random.default_rng(0).integers(0, 256, size=(300, 3, 8, 8)).astype(np.uint8)
    (found,) = retrieval(np.full(x.shape, 0.5, np.float32), x, (), 0.95, "released")
    assert found.value < 0.05


def test_the_true_row_is_found_by_its_columns() -> None:
    columns = (
        Column(name="kind", categories=tuple("abcdefgh")),
        Column(name="level", mean=5.0, std=2.0),
        Column(name="weight", mean=0.0, std=1.0),
    )
    rng = np.random.default_rng(0)
    kind, level, weight = rng.integers(8, size=200), rng.normal(5, 2, 200), rng.normal(size=200)
    x = np.stack([kind, level, weight], 1).astype(np.float32)
    made = np.concatenate([((level - 5) / 2)[:, None], weight[:, None], 9 * np.eye(9)[kind]], 1)
    (found,) = retrieval(made.astype(np.float32), x, columns, 0.95, "released")
    assert found.value > 0.98
    made[:, 2:] = rng.permuted(made[:, 2:], axis=1)
    made[:, :2] = 0
    (found,) = retrieval(made.astype(np.float32), x, columns, 0.95, "released")
    assert found.value < 0.2


def test_fewer_records_than_the_gallery_say_nothing() -> None:
    x = np.zeros((99, 3, 8, 8), np.uint8)
    assert retrieval(np.zeros(x.shape, np.float32), x, (), 0.95, "released") == ()


def test_the_true_text_is_found_by_the_tokens_that_features_speak_for() -> None:
    rng = np.random.default_rng(0)
    there = (rng.random((200, 60)) < rng.uniform(0.05, 0.9, 60)).astype(np.uint8)
    made = (there + 0.3 * rng.normal(size=there.shape)).astype(np.float32)
    # How frequent a token is, and how sure a decoder is of it, says nothing about whose text it is.
    (found,) = retrieval(made + 5 * there.mean(0), there, (), 0.95, "released")
    assert found.value > 0.98
    (found,) = retrieval(np.tile(made[:1], (200, 1)), there, (), 0.95, "released")
    assert found.value < 0.05


def test_ms_ssim_where_pictures_are_large_enough() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, size=(2, 3, 176, 176)).astype(np.uint8)
    scores = picture_scores((x / 255).astype(np.float32), x)
    assert scores["ms_ssim"] == pytest.approx(1, abs=1e-4)
    assert "ms_ssim" not in picture_scores((x / 255).astype(np.float32)[..., :175], x[..., :175])
