"""Which people each step of an audit uses, recorded through its own code on known fixtures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from tiprdc.attacks.suite import AttackTrial
from tiprdc.audit import tasks
from tiprdc.audit.evaluation.estimate import estimate_from_counts
from tiprdc.audit.evaluation.scoring import Scored
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.executor import InProcess
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.plan import Job, policy_of
from tiprdc.audit.policy import PolicyConfig
from tiprdc.audit.protocol import attack, choose
from tiprdc.audit.run import Digests, run
from tiprdc.audit.verdict import limit_of
from tiprdc.errors import DataError
from tiprdc.formats.audit_plan import Plan
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.small_audit import (
    ATTRIBUTE,
    AuditSetup,
    draw_evidence,
    make_fixture_plan,
)
from tiprdc.statistics.binomial import lower_bound, upper_bound

SETUP = AuditSetup(
    train=600, select=200, test=240, attacks=("logistic_regression", "gradient_boosting"),
    policy=PolicyConfig(min_people=100),
)  # fmt: skip
Patch = pytest.MonkeyPatch


def draw_audit(name: str = "linear", accuracy: float = 1.0) -> tuple[Plan, Evidence]:
    evidence = draw_evidence(FIXTURES[name], accuracy, SETUP, 0)
    return make_fixture_plan(FIXTURES[name], SETUP, evidence), evidence


def scored(plan: Plan, evidence: Evidence) -> Scored:
    return Scored(plan, evidence, attack(plan, evidence, InProcess(), 1e6))


def rows_of(z: Any) -> set[bytes]:
    return {row.tobytes() for row in np.asarray(z)}


@pytest.fixture
def calls(monkeypatch: Patch) -> list[tuple[str, Any]]:
    """All tasks that run, with their arguments, in order."""
    recorded: list[tuple[str, Any]] = []

    def record(name: str) -> Callable[..., Any]:
        inner = getattr(tasks, name)

        def task(*args: Any) -> Any:
            recorded.append((name, args))
            return inner(*args)

        return task

    for name in ("extract", "fit", "predict_probabilities"):
        monkeypatch.setattr(tasks, name, record(name))
    return recorded


def test_attackers_are_fitted_on_train_chosen_on_select_and_scored_on_test(
    calls: list[tuple[str, Any]],
) -> None:
    plan, evidence = draw_audit("independent", 0.5)
    scored(plan, evidence)
    released = evidence.models["released"]
    people = {part: rows_of(released.features(r.x)) for part, r in evidence.parts.items()}
    for name, args in calls:
        if name == "fit" and np.asarray(args[1]).shape[1:] == (8,):
            assert rows_of(args[1]) == people["train"]
            assert rows_of(args[4]) == people["select"]
        if name == "predict_probabilities" and np.asarray(args[1]).shape[1:] == (8,):
            assert rows_of(args[1]) == people["test"]
    assert not people["train"] & people["test"]
    assert not people["select"] & people["test"]
    assert not people["train"] & people["select"]


def test_record_attacks_get_the_records_of_attacker_train_in_order(
    calls: list[tuple[str, Any]],
) -> None:
    plan, evidence = draw_audit("independent", 0.5)
    scored(structs.replace(plan, attacks=("logistic_regression", "decoding")), evidence)
    records_of = {args[0].attack: args[3] for name, args in calls if name == "fit"}
    assert records_of["logistic_regression"] is None
    assert np.allclose(records_of["decoding"][:, -1], evidence.train.x[:, -1])


def test_attacker_test_is_opened_after_the_last_fit(calls: list[tuple[str, Any]]) -> None:
    plan, evidence = draw_audit()
    scored(plan, evidence)
    opened = [
        n for n, (name, args) in enumerate(calls)
        if name == "extract" and len(args[1]) == SETUP.test
    ]  # fmt: skip
    # Fits of learning curves come later: their attacks are chosen by then.
    last = max(
        n for n, (name, args) in enumerate(calls) if name == "fit" and args[0].people is None
    )
    assert len(opened) == 1
    assert opened[0] > last


def test_only_selected_attackers_predict_on_attacker_test(calls: list[tuple[str, Any]]) -> None:
    plan, evidence = draw_audit()
    scored(plan, evidence)
    assert [name for name, _ in calls].count("predict_probabilities") == 3 + 2 * 4, (
        "released, raw, shuffled; four points of two learning curves"
    )


def test_leak_without_noise_is_recognised_without_error() -> None:
    """Swapped labels would give 0, shuffled ones a half."""
    estimate = scored(*draw_audit()).estimate(ATTRIBUTE, "released")
    assert estimate is not None
    assert estimate.correct == estimate.people == SETUP.test
    assert estimate.select == 1.0


def test_estimate_has_the_confidence_of_the_policy() -> None:
    plan, evidence = draw_audit("independent", 0.5)
    policy = policy_of(PolicyConfig(confidence=0.999, min_people=100), plan.attackers)
    confident = structs.replace(plan, policy=policy)
    wide, narrow = (scored(p, evidence).estimate(ATTRIBUTE, "released") for p in (confident, plan))
    assert wide is not None
    assert narrow is not None
    assert wide.low < narrow.low < narrow.high < wide.high


def test_shuffled_control_is_fitted_and_scored_on_shuffled_labels(
    calls: list[tuple[str, Any]],
) -> None:
    plan, evidence = draw_audit()
    scores = scored(plan, evidence)
    fits = [args for name, args in calls if name == "fit"]
    of_people = {2: evidence.train.labels[ATTRIBUTE], 5: evidence.select.labels[ATTRIBUTE]}
    for place, true in of_people.items():
        given = [args[place][ATTRIBUTE] for args in fits]
        assert any(np.array_equal(u, true) for u in given)
        shuffled = next(u for u in given if not np.array_equal(u, true))
        assert 0.3 < np.mean(true == shuffled) < 0.7
        assert true.sum() == shuffled.sum()
    truth = [scores.truth(ATTRIBUTE, name) for name in ("released", "shuffled")]
    assert 0.3 < np.mean(truth[0] == truth[1]) < 0.7
    control = scores.estimate(ATTRIBUTE, "shuffled")
    assert control is not None
    assert 0.35 < control.balanced_accuracy < 0.65


def test_attackers_get_the_seed_and_budget_of_their_job(monkeypatch: Patch) -> None:
    plan, evidence = draw_audit("independent", 0.5)
    fitted: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        tasks, "try_attack",
        lambda *args: fitted.append(args[5:7]) or dict.fromkeys(args[2], trial(None)),
    )  # fmt: skip
    scored(structs.replace(plan, attacks=("gradient_boosting",), seeds=(3, 4), budget=2), evidence)
    assert fitted.count((3, 2)) == 1
    assert fitted.count((4, 2)) == 1
    assert fitted.count((3, 1)) == len(fitted) - 2


def trial(select: float | None) -> AttackTrial:
    return AttackTrial(select, "ok" if select is not None else "failed: x", 0.0, None)


def test_best_trial_on_select_is_chosen_and_the_first_wins_a_tie() -> None:
    jobs = [Job("u", "released", name, 0, 1, "fresh") for name in "abcd"]
    trials = dict(zip(jobs, map(trial, (0.5, 0.7, None, 0.7)), strict=True))
    assert choose(trials) == {("u", "released"): jobs[1]}
    raw = Job("u", "raw", "a", 0, 1, "fresh")
    assert choose({**trials, raw: trial(0.2)})["u", "raw"] == raw
    assert choose({jobs[2]: trial(None)}) == {}


def test_file_changed_during_the_attacks_is_no_pass() -> None:
    plan, evidence = draw_audit("independent", 0.5)
    same = Digests.of(evidence)
    for digests in (
        same, replace(same, model="f" * 64), replace(same, data="f" * 64),
        replace(same, unprotected="f" * 64),
    ):  # fmt: skip
        result = run(
            plan, evidence, InProcess(), 1e6, lambda digests=digests: digests, Ledger(None)
        )  # type: ignore[misc]  # bound now
        changed = any("not the planned one" in reason for reason in result.report.reasons)
        assert changed == (digests != same)
        assert (result.report.verdict == "PASS") <= (digests == same)


def test_timed_out_audit_is_no_pass() -> None:
    plan, evidence = draw_audit("independent", 0.5)
    digests = Digests.of(evidence)
    result = run(plan, evidence, InProcess(), -1.0, lambda: digests, Ledger(None))
    assert result.report.verdict == "INCONCLUSIVE"
    assert any("out of time" in reason for reason in result.report.reasons)


def test_task_that_ends_after_the_deadline_times_out(monkeypatch: Patch) -> None:
    """Its result does not count."""
    clock = iter([0.0, 10.0])
    monkeypatch.setattr("tiprdc.audit.executor.time.monotonic", lambda: next(clock))
    executor = InProcess()
    task = executor.submit(lambda: 1)
    (result,) = dict(executor.collect({"a": task}, 5.0, "attack", lambda key: 1.0)).values()
    assert isinstance(result, TimeoutError)


def test_no_task_starts_after_the_deadline() -> None:
    runs: list[int] = []
    executor = InProcess()
    task = executor.submit(lambda: runs.append(1))
    (result,) = dict(executor.collect({"a": task}, -1.0, "attack", lambda key: 1.0)).values()
    assert isinstance(result, TimeoutError)
    assert runs == []


def test_bounds_of_an_estimate_follow_from_its_counts() -> None:
    estimate = estimate_from_counts("mlp", 55, 100, 0.9)
    assert (estimate.low, estimate.high) == (lower_bound(55, 100, 0.9), upper_bound(55, 100, 0.9))
    assert (estimate.balanced_accuracy, estimate.correct, estimate.people) == (0.55, 55, 100)


@pytest.mark.parametrize("classes", [3, 5])
def test_limit_starts_at_the_prior_of_the_classes(classes: int) -> None:
    policy = policy_of(PolicyConfig(margin=0.05), {"fresh": 100})
    assert limit_of(policy, classes, None) == pytest.approx(1 / classes + 0.05)


def test_attacker_with_nan_probabilities_raises() -> None:
    class NanAttacker:
        def probabilities(self, z: Any) -> Any:
            return np.full((len(z), 2), np.nan)

    with pytest.raises(ValueError, match="NaN"):
        tasks.predict_probabilities(NanAttacker(), np.zeros((3, 2)), np.arange(2))


def test_plan_with_too_few_people_is_refused() -> None:
    strict = replace(SETUP, policy=PolicyConfig(min_people=121))
    evidence = draw_evidence(FIXTURES["linear"], 1.0, strict, 0)
    with pytest.raises(DataError, match="at least 121"):
        make_fixture_plan(FIXTURES["linear"], strict, evidence)


def test_another_sample_seed_scores_other_people() -> None:
    plan, evidence = draw_audit("independent", 0.5)
    rows = np.flatnonzero((evidence.test.labels[ATTRIBUTE] == 1) | (np.arange(240) % 3 == 0))
    fewer = replace(evidence, test=evidence.test.take(rows))
    samples = [
        Scored(structs.replace(plan, sample_seed=seed), fewer, None).rows(ATTRIBUTE).tolist()  # type: ignore[arg-type]  # no results needed
        for seed in (0, 1, 0)
    ]  # fmt: skip
    assert samples[0] == samples[2] != samples[1]
