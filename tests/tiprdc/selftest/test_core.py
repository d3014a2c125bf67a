"""Who sees whom in an audit, watched through its own core on fixtures whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from tiprdc.attacks.suite import Trial
from tiprdc.audit import tasks
from tiprdc.audit.config import PolicyConfig
from tiprdc.audit.estimate import estimate_from_counts
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.executor import InProcess
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.plan import Job, policy_of
from tiprdc.audit.protocol import attack, choose
from tiprdc.audit.run import Digests, run
from tiprdc.audit.scoring import Scored
from tiprdc.audit.verdict import limit_of
from tiprdc.errors import DataError
from tiprdc.formats.audit_plan import Plan
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.small_audit import ATTRIBUTE, Design, draw, plan_of
from tiprdc.statistics.binomial import lower_bound, upper_bound

DESIGN = Design(
    train=300, select=200, test=240, attacks=("logistic_regression", "gradient_boosting"),
    policy=PolicyConfig(min_people=100),
)  # fmt: skip
Patch = pytest.MonkeyPatch


def drawn(name: str = "linear", accuracy: float = 1.0) -> tuple[Plan, Evidence]:
    evidence = draw(FIXTURES[name], accuracy, DESIGN, 0)
    return plan_of(FIXTURES[name], DESIGN, evidence), evidence


def scored(plan: Plan, evidence: Evidence) -> Scored:
    return Scored(plan, evidence, attack(plan, evidence, InProcess(), 1e6))


def rows_of(z: Any) -> set[bytes]:
    return {row.tobytes() for row in np.asarray(z)}


@pytest.fixture
def watched(monkeypatch: Patch) -> list[tuple[str, Any]]:
    """Everything that attackers are given, in its order."""
    seen: list[tuple[str, Any]] = []

    def watch(name: str) -> Callable[..., Any]:
        inner = getattr(tasks, name)

        def task(*given: Any) -> Any:
            seen.append((name, given))
            return inner(*given)

        return task

    for name in ("extract", "fit", "say"):
        monkeypatch.setattr(tasks, name, watch(name))
    return seen


def test_attackers_are_fitted_on_train_chosen_on_select_and_scored_on_test(
    watched: list[tuple[str, Any]],
) -> None:
    plan, evidence = drawn("independent", 0.5)
    scored(plan, evidence)
    released = evidence.models["released"]
    people = {part: rows_of(released.features(r.x)) for part, r in evidence.parts.items()}
    for name, given in watched:
        if name == "fit" and given[0].representation in ("released", "shuffled"):
            assert rows_of(given[1]) == people["train"]
            assert rows_of(given[2]) == people["select"]
        if name == "say" and np.asarray(given[1]).shape[1:] == (8,):
            assert rows_of(given[1]) == people["test"]
    assert not people["train"] & people["test"]
    assert not people["select"] & people["test"]
    assert not people["train"] & people["select"]


def test_who_needs_records_gets_those_of_attacker_train_in_their_order(
    watched: list[tuple[str, Any]],
) -> None:
    plan, evidence = drawn("independent", 0.5)
    scored(structs.replace(plan, attacks=("logistic_regression", "decoding")), evidence)
    held = {given[0].attack: given[6] for name, given in watched if name == "fit"}
    assert held["logistic_regression"] is None
    assert np.allclose(held["decoding"][:, -1], evidence.train.x[:, -1])


def test_attacker_test_is_opened_after_the_last_fit(watched: list[tuple[str, Any]]) -> None:
    plan, evidence = drawn()
    scored(plan, evidence)
    opened = [
        n for n, (name, given) in enumerate(watched)
        if name == "extract" and len(given[1]) == DESIGN.test
    ]  # fmt: skip
    last = max(n for n, (name, _) in enumerate(watched) if name == "fit")
    assert len(opened) == 1
    assert opened[0] > last


def test_only_selected_attackers_see_attacker_test(watched: list[tuple[str, Any]]) -> None:
    plan, evidence = drawn()
    scored(plan, evidence)
    assert [name for name, _ in watched].count("say") == 3, "released, raw, shuffled"


def test_a_leak_without_noise_is_read_without_error() -> None:
    """Swapped labels would make it 0, shuffled ones a half."""
    found = scored(*drawn()).estimate(ATTRIBUTE, "released")
    assert found is not None
    assert found.correct == found.people == DESIGN.test
    assert found.select == 1.0


def test_the_estimate_has_the_policys_confidence() -> None:
    plan, evidence = drawn("independent", 0.5)
    sure = structs.replace(plan, policy=policy_of(PolicyConfig(confidence=0.999, min_people=100)))
    wide, narrow = (scored(p, evidence).estimate(ATTRIBUTE, "released") for p in (sure, plan))
    assert wide is not None
    assert narrow is not None
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_shuffled_control_learns_and_is_scored_on_shuffled_labels(
    watched: list[tuple[str, Any]],
) -> None:
    plan, evidence = drawn()
    found = scored(plan, evidence)
    labels = {given[0].representation: given[3:5] for name, given in watched if name == "fit"}
    for true, shuffled in zip(labels["released"], labels["shuffled"], strict=True):
        assert 0.3 < np.mean(true == shuffled) < 0.7
        assert true.sum() == shuffled.sum()
    truth = [found.truth(ATTRIBUTE, name) for name in ("released", "shuffled")]
    assert 0.3 < np.mean(truth[0] == truth[1]) < 0.7
    control = found.estimate(ATTRIBUTE, "shuffled")
    assert control is not None
    assert 0.35 < control.balanced_accuracy < 0.65


def test_every_attacker_has_the_seed_and_the_budget_of_its_job(monkeypatch: Patch) -> None:
    plan, evidence = drawn("independent", 0.5)
    fitted: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        tasks, "try_attack", lambda *given: fitted.append(given[4:6]) or trial(None)
    )  # fmt: skip
    scored(structs.replace(plan, attacks=("gradient_boosting",), seeds=(3, 4), budget=2), evidence)
    assert fitted.count((3, 2)) == 1
    assert fitted.count((4, 2)) == 1
    assert fitted.count((3, 1)) == len(fitted) - 2


def trial(select: float | None) -> Trial:
    return Trial(select, "ok" if select is not None else "failed: x", 0.0, None)


def test_the_best_on_select_is_chosen_and_the_first_wins_a_tie() -> None:
    jobs = [Job("u", "released", name, 0, 1) for name in "abcd"]
    trials = dict(zip(jobs, map(trial, (0.5, 0.7, None, 0.7)), strict=True))
    assert choose(trials) == {("u", "released"): jobs[1]}
    raw = Job("u", "raw", "a", 0, 1)
    assert choose({**trials, raw: trial(0.2)})["u", "raw"] == raw
    assert choose({jobs[2]: trial(None)}) == {}


def test_a_file_that_changes_while_it_is_attacked_is_no_pass() -> None:
    plan, evidence = drawn("independent", 0.5)
    same = Digests.of(evidence)
    for found in (
        same, replace(same, model="f" * 64), replace(same, data="f" * 64),
        replace(same, unprotected="f" * 64),
    ):  # fmt: skip
        audited = run(plan, evidence, InProcess(), 1e6, lambda found=found: found, Ledger(None))  # type: ignore[misc]  # bound now
        changed = any("not the planned one" in reason for reason in audited.report.reasons)
        assert changed == (found != same)
        assert (audited.report.verdict == "PASS") <= (found == same)


def test_an_audit_that_is_out_of_time_is_no_pass() -> None:
    plan, evidence = drawn("independent", 0.5)
    again = Digests.of(evidence)
    audited = run(plan, evidence, InProcess(), -1.0, lambda: again, Ledger(None))
    assert audited.report.verdict == "INCONCLUSIVE"
    assert any("out of time" in reason for reason in audited.report.reasons)


def test_a_task_that_ends_after_the_deadline_is_late(monkeypatch: Patch) -> None:
    """It has a result, which does not count."""
    clock = iter([0.0, 10.0])
    monkeypatch.setattr("tiprdc.audit.executor.time.monotonic", lambda: next(clock))
    executor = InProcess()
    task = executor.submit(lambda: 1)
    (found,) = dict(executor.collect({"a": task}, 5.0, "attack", lambda key: 1.0)).values()
    assert isinstance(found, TimeoutError)


def test_nothing_is_begun_after_the_deadline() -> None:
    done: list[int] = []
    executor = InProcess()
    task = executor.submit(lambda: done.append(1))
    (found,) = dict(executor.collect({"a": task}, -1.0, "attack", lambda key: 1.0)).values()
    assert isinstance(found, TimeoutError)
    assert done == []


def test_an_estimates_bounds_follow_from_its_counts() -> None:
    found = estimate_from_counts("mlp", 55, 100, 0.9)
    assert (found.low, found.high) == (lower_bound(55, 100, 0.9), upper_bound(55, 100, 0.9))
    assert (found.balanced_accuracy, found.correct, found.people) == (0.55, 55, 100)


@pytest.mark.parametrize("classes", [3, 5])
def test_the_limit_starts_at_the_prior_of_the_classes(classes: int) -> None:
    assert limit_of(policy_of(PolicyConfig(margin=0.05)), classes, None) == pytest.approx(
        1 / classes + 0.05
    )


def test_an_attacker_that_says_nan_says_nothing() -> None:
    class Odd:
        def probabilities(self, z: Any) -> Any:
            return np.full((len(z), 2), np.nan)

    with pytest.raises(ValueError, match="NaN"):
        tasks.say(Odd(), np.zeros((3, 2)), np.arange(2))


def test_a_plan_with_too_few_people_is_refused() -> None:
    strict = replace(DESIGN, policy=PolicyConfig(min_people=121))
    evidence = draw(FIXTURES["linear"], 1.0, strict, 0)
    with pytest.raises(DataError, match="at least 121"):
        plan_of(FIXTURES["linear"], strict, evidence)


def test_another_sample_seed_scores_other_people() -> None:
    plan, evidence = drawn("independent", 0.5)
    some = np.flatnonzero((evidence.test.labels[ATTRIBUTE] == 1) | (np.arange(240) % 3 == 0))
    fewer = replace(evidence, test=evidence.test.take(some))
    found = [
        Scored(structs.replace(plan, sample_seed=seed), fewer, None).rows(ATTRIBUTE).tolist()  # type: ignore[arg-type]  # no results needed
        for seed in (0, 1, 0)
    ]  # fmt: skip
    assert found[0] == found[2] != found[1]
