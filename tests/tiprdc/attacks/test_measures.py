"""Each measure detects its kind of leak, and reports chance where present is none."""

from __future__ import annotations

from itertools import starmap

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from tiprdc.attacks.measures import linkability as link
from tiprdc.attacks.measures.membership import auc, membership
from tiprdc.attacks.measures.reconstruction import picture_scores
from tiprdc.attacks.measures.retrieval import retrieval
from tiprdc.attacks.measures.worst_people import most_confident, subgroups
from tiprdc.datasets.schema import Column
from tiprdc.formats.audit_report import Measure


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def balanced_labels(people: int) -> np.ndarray:
    return np.arange(people) % 2


def test_exposed_minority_shows_among_the_most_confident_only() -> None:
    rng, truth = np.random.default_rng(0), balanced_labels(2000)
    p1 = rng.uniform(0.4, 0.6, size=2000)
    exposed = rng.permutation(2000)[:40]
    p1[exposed] = np.where(truth[exposed] == 1, 0.99, 0.01)
    both = np.stack([1 - p1, p1], 1)
    assert np.mean(np.argmax(both, 1) == truth) < 0.55
    one, five = most_confident("u", both, truth, 0.95)
    assert (one.people, one.value) == (20, 1.0)
    assert five.people == 100
    assert one.low is not None
    assert one.low > 0.8
    assert one.baseline == 0.5


def test_most_confident_bound_has_nominal_false_alarm_rate() -> None:
    alarms = 0
    for seed in range(200):
        p1 = np.random.default_rng(seed).uniform(size=600)
        (five,) = list(most_confident("u", np.stack([1 - p1, p1], 1), balanced_labels(600), 0.95))
        assert five.low is not None
        alarms += five.low > 0.5
    assert alarms <= 0.05 * 200 + 3 * (200 * 0.05 * 0.95) ** 0.5


def test_equal_confidence_is_not_ordered_by_rows() -> None:
    truth = np.repeat([0, 1], 500)
    (_, five) = most_confident("u", np.tile([0.6, 0.4], (1000, 1)), truth, 0.95)
    assert 0.2 < five.value < 0.8


def test_exposed_subgroup_is_detected_and_balanced() -> None:
    rng, truth = np.random.default_rng(1), balanced_labels(3000)
    group = (rng.uniform(size=3000) < np.where(truth == 1, 0.2, 0.1)).astype(np.int64)
    p1 = np.where(group == 1, 0.9 * truth + 0.05, rng.uniform(size=3000))
    tasks = {"hat": (group, ("no", "yes"))}
    no, yes = subgroups("u", np.stack([1 - p1, p1], 1), truth, tasks, 0.95)
    assert (no.name, yes.name) == ("hat: no", "hat: yes")
    assert yes.value == 1
    assert no.low is not None
    assert no.low < 0.5
    assert yes.people == 2 * min(np.sum(group[truth == k]) for k in (0, 1))


def person_features(people: int, own: float, seed: int, records: int = 2) -> link.PersonFeatures:
    """Features with identity at the strength `own`, in directions of small variance."""
    rng = np.random.default_rng(seed)
    identity = rng.normal(size=(people, 6))
    z = [
        np.concatenate([own * identity + 0.3 * rng.normal(size=(people, 6)),
                        3 * rng.normal(size=(people, 6))], 1)
        for _ in range(records)
    ]  # fmt: skip
    names = np.array([f"{seed}-{n}" for n in range(people)] * records)
    return link.PersonFeatures(np.concatenate(z).astype(np.float32), names)


def linked(own: float, records: int = 2) -> tuple[Measure, ...]:
    parts = starmap(person_features, [(150, own, 1, 2), (60, own, 2, 2), (150, own, 3, records)])
    return link.linkability(*parts, 0.95, 0, "released")


def test_features_that_encode_identity_are_linked() -> None:
    rank, eer = linked(1.0)
    assert rank.low is not None
    assert rank.low > 0.4
    assert rank.baseline == 1 / 150
    assert eer.value < 0.1
    assert eer.high is not None
    assert eer.low is not None
    assert eer.low <= eer.value <= eer.high < 0.2


def test_noise_is_not_linked() -> None:
    rank, eer = linked(0.0)
    assert rank.low is not None
    assert rank.baseline is not None
    assert rank.low <= rank.baseline
    assert eer.low is not None
    assert eer.high is not None
    assert eer.low < 0.5 < eer.high


def test_constant_features_are_not_linked() -> None:
    parts = [
        link.PersonFeatures(np.ones((200, 3), np.float32), person_features(100, 0, n).person)
        for n in range(3)
    ]
    rank, eer = link.linkability(*parts, 0.95, 0, "released")
    assert rank.value < 0.06
    assert eer.value == 0.5


def test_one_record_per_person_gives_no_linkability() -> None:
    assert linked(1.0, records=1) == ()


def test_equal_error_rate_of_two_normals() -> None:
    """Unit normals two apart: the error at the middle is Phi(-1)."""
    rng = np.random.default_rng(0)
    distance = rng.normal(2, 1, size=(400, 400))
    distance[np.diag_indices(400)] = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    assert link.equal_error_rate(distance) == pytest.approx(stats.norm.cdf(-1), abs=0.01)


def test_auc_equals_sklearn_and_bounds_cover() -> None:
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


def test_members_with_shifted_features_are_detected() -> None:
    members = 1.6 * fresh(900, 0)
    area, detected, false_alarms = membership(
        members, fresh(500, 1), fresh(250, 2), fresh(500, 3), 0.95, 0, "released"
    )
    assert area.low is not None
    assert area.low > 0.7
    assert detected.value > 0.1
    assert false_alarms.value < 0.05


def test_members_like_fresh_people_are_not_detected() -> None:
    area, detected, _ = membership(
        fresh(900, 0), fresh(500, 1), fresh(250, 2), fresh(500, 3), 0.95, 0, "released"
    )
    assert area.low is not None
    assert area.low < 0.5
    assert detected.value < 0.06


def test_too_few_members_give_no_measure() -> None:
    few = [fresh(60, n) for n in range(4)]
    assert membership(*few, 0.95, 0, "released") == ()


def retrieved(noise: float) -> tuple[Measure, ...]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, size=(250, 3, 8, 8)).astype(np.uint8)
    decoded = np.clip(x / 255 + noise * rng.normal(size=x.shape), 0, 1).astype(np.float32)
    return retrieval(decoded, x, (), 0.95, "released")


def test_noisy_reconstruction_retrieves_its_picture() -> None:
    (top1,) = retrieved(0.3)
    assert (top1.people, top1.value, top1.baseline) == (200, 1.0, 0.01)
    (top1,) = retrieved(1000.0)
    assert top1.value < 0.05


def test_mean_picture_retrieves_at_chance() -> None:
    x = np.random.default_rng(0).integers(0, 256, size=(300, 3, 8, 8)).astype(np.uint8)
    (top1,) = retrieval(np.full(x.shape, 0.5, np.float32), x, (), 0.95, "released")
    assert top1.value < 0.05


def test_reconstructed_columns_retrieve_their_row() -> None:
    columns = (
        Column(name="kind", categories=tuple("abcdefgh")),
        Column(name="level", mean=5.0, std=2.0),
        Column(name="weight", mean=0.0, std=1.0),
    )
    rng = np.random.default_rng(0)
    kind, level, weight = rng.integers(8, size=200), rng.normal(5, 2, 200), rng.normal(size=200)
    x = np.stack([kind, level, weight], 1).astype(np.float32)
    decoded = np.concatenate([((level - 5) / 2)[:, None], weight[:, None], 9 * np.eye(9)[kind]], 1)
    (top1,) = retrieval(decoded.astype(np.float32), x, columns, 0.95, "released")
    assert top1.value > 0.98
    decoded[:, 2:] = rng.permuted(decoded[:, 2:], axis=1)
    decoded[:, :2] = 0
    (top1,) = retrieval(decoded.astype(np.float32), x, columns, 0.95, "released")
    assert top1.value < 0.2


def test_fewer_records_than_a_gallery_give_no_measure() -> None:
    x = np.zeros((99, 3, 8, 8), np.uint8)
    assert retrieval(np.zeros(x.shape, np.float32), x, (), 0.95, "released") == ()


def test_token_logits_retrieve_their_text() -> None:
    rng = np.random.default_rng(0)
    present = (rng.random((200, 60)) < rng.uniform(0.05, 0.9, 60)).astype(np.uint8)
    decoded = (present + 0.3 * rng.normal(size=present.shape)).astype(np.float32)
    # Token frequency and a decoder's general confidence do not identify a text.
    (top1,) = retrieval(decoded + 5 * present.mean(0), present, (), 0.95, "released")
    assert top1.value > 0.98
    (top1,) = retrieval(np.tile(decoded[:1], (200, 1)), present, (), 0.95, "released")
    assert top1.value < 0.05


def test_ms_ssim_only_for_large_pictures() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, size=(2, 3, 176, 176)).astype(np.uint8)
    scores = picture_scores((x / 255).astype(np.float32), x)
    assert scores["ms_ssim"] == pytest.approx(1, abs=1e-4)
    assert "ms_ssim" not in picture_scores((x / 255).astype(np.float32)[..., :175], x[..., :175])
