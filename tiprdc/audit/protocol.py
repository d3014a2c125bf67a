"""The attack protocol: fit on attacker-train, select on attacker-select, score on attacker-test.

The order matters: attacker-test passes through the extractors only after the selection, and only
one attacker of each attribute and representation predicts on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks import membership, reconstruction
from tiprdc.attacks.suite import ATTACKS, AttackTrial
from tiprdc.audit import measures, tasks
from tiprdc.audit.evidence import Evidence, sample
from tiprdc.audit.executor import Executor, K
from tiprdc.audit.plan import Job, jobs_of
from tiprdc.datasets.schema import Records
from tiprdc.formats.audit_plan import Plan
from tiprdc.models.inputs import attack_inputs
from tiprdc.statistics.sampling import one_a_person

_SLOWEST_FIRST = ("decoding", "gru", "decensoring", "cnn", "mlp", "kernel", "gradient_boosting")
_FIT_SECONDS = {
    "decoding": 9.0, "gru": 8.0, "decensoring": 5.5, "cnn": 2.0, "mlp": 0.8, "kernel": 0.4,
}  # fmt: skip
"""Rough seconds of a fit on features of 4,000 people on a slow core, for progress bars."""
_RAW_FACTOR = 4.0
"""How many times longer a fit on raw records takes."""


@dataclass(frozen=True)
class Results:
    """Results of the tasks of an audit.

    Args:
        trials: Each job's score on attacker-select.
        chosen: (target, representation) -> the selected job.
        probabilities: The same -> its probabilities on the balanced sample, or the reason why there
            are none.
        features: Shape of one record's features.
        measures: Figures of the other measures.
        reconstruction, pictures: None and empty where reconstruction was off or failed.
    """

    trials: dict[Job, AttackTrial]
    chosen: dict[tuple[str, str], Job]
    probabilities: dict[tuple[str, str], NDArray[np.float64] | str]
    features: tuple[int, ...]
    reconstruction: dict[str, dict[str, float]] | None
    measures: measures.MeasuresByFamily
    pictures: dict[str, NDArray[np.uint8]]


class _Representations:
    """Tasks for the representations of each split, submitted on request."""

    def __init__(self, evidence: Evidence, executor: Executor, *, members: bool) -> None:
        self.executor = executor
        self.models = {name: executor.put(model) for name, model in evidence.models.items()}
        parts = dict(evidence.parts)
        if members and evidence.members is not None:
            parts["members"] = _member_sample(evidence.members)
        self.x = {name: executor.put(part.x) for name, part in parts.items()}
        self.raw = {
            name: executor.put(attack_inputs(part.x, evidence.schema))
            for name, part in parts.items()
        }

    def of(self, part: str) -> dict[str, Any]:
        """Representation -> a task for this split in it."""
        z = {
            name: self.executor.submit(tasks.extract, model, self.x[part])
            for name, model in self.models.items()
        }
        return {**z, "shuffled": z["released"], "raw": self.raw[part]}


def attack(plan: Plan, evidence: Evidence, executor: Executor, timeout: float) -> Results:
    """Run all attacks and measures of a plan.

    Args:
        plan: The audit's plan, already hashed.
        evidence: Records and models.
        executor: Runs the tasks.
        timeout: Seconds; whatever is unfinished then counts as failed.

    Raises:
        ModelError: A file cannot be run on these records.
    """
    deadline = time.monotonic() + timeout
    represented = _Representations(evidence, executor, members="membership" in plan.measures)
    train, select = represented.of("train"), represented.of("select")
    # A file that cannot be run must raise here, not fail every attack on its features.
    first, *_ = executor.get(
        [part[name] for name in represented.models for part in (train, select)]
    )
    decoders = _decoders(plan, evidence, executor, represented, train, select)
    trials, attackers = _fit(plan, evidence, executor, train, select, deadline)
    chosen = choose(trials)
    test = represented.of("test")
    predictions = {
        key: executor.submit(
            tasks.predict_probabilities, attackers[job], test[job.representation],
            sample(evidence.test, evidence.schema, job.target, plan.sample_seed),
        )
        for key, job in chosen.items()
    }  # fmt: skip
    reconstructions = _reconstructions(evidence, executor, represented, decoders, test)
    parts = {"train": train, "select": select, "test": test}
    members = represented.of("members") if "members" in represented.x else {}
    measure_tasks = measures.submit_measures(
        plan, evidence, executor, parts, members, chosen, decoders
    )
    probabilities = {
        key: f"failed: {type(value).__name__}" if isinstance(value, Exception) else value
        for key, value in executor.collect(predictions, deadline, "test", lambda key: 1.0)
    }
    decoded = _collect(executor, reconstructions, deadline, "reconstruction", lambda key: 1.0)
    scores, pictures = _reconstruction_results(decoded, evidence)
    figures = _collect(
        executor, measure_tasks, deadline, "measures",
        lambda key: measures.EXPECTED_SECONDS[key[0]],
    )  # fmt: skip
    by_family = measures.group_by_family(plan, evidence, figures)
    return Results(trials, chosen, probabilities, first.shape[1:], scores, by_family, pictures)


def _collect(
    executor: Executor, submitted: Mapping[K, Any], deadline: float, label: str,
    cost: Callable[[K], float],
) -> dict[K, Any]:  # fmt: skip
    """Results in the order of submission: the report must not depend on which task ends first."""
    results = dict(executor.collect(submitted, deadline, label, cost))
    return {key: results[key] for key in submitted}


def _member_sample(members: Records) -> Records:
    """Some people of extractor-train, one record each."""
    rows = one_a_person(members.person, np.random.default_rng(0))
    return members.take(rows[: membership.MAX_MEMBERS])


def choose(trials: Mapping[Job, AttackTrial]) -> dict[tuple[str, str], Job]:
    """The best job on attacker-select for each (target, representation); the first wins a tie."""
    chosen: dict[tuple[str, str], tuple[float, Job]] = {}
    for job, trial in trials.items():
        key = (job.target, job.representation)
        if trial.select is not None and trial.select > chosen.get(key, (-1.0, job))[0]:
            chosen[key] = (trial.select, job)
    return {key: job for key, (_, job) in chosen.items()}


def _fit(
    plan: Plan,
    evidence: Evidence,
    executor: Executor,
    train: Mapping[str, Any],
    select: Mapping[str, Any],
    deadline: float,
) -> tuple[dict[Job, AttackTrial], dict[Job, Any]]:
    """Every job's trial, and a task for its attacker."""
    jobs = jobs_of(plan)
    trial_tasks, attackers = {}, {}
    for job in sorted(jobs, key=_order):
        labels = [
            _labels(job, part.labels[job.target], plan)
            for part in (evidence.train, evidence.select)
        ]
        z = train[job.representation], select[job.representation]
        classes = evidence.schema.classes(job.target)
        x = train["raw"] if ATTACKS[job.attack].needs_records else None
        trial_tasks[job], attackers[job] = executor.submit(
            tasks.fit, job, *z, *labels, classes, x, returns=2
        )
    outcomes = dict(executor.collect(trial_tasks, deadline, "attack", _cost))
    return {job: as_trial(outcomes[job]) for job in jobs}, attackers


def _decoders(
    plan: Plan,
    evidence: Evidence,
    executor: Executor,
    represented: _Representations,
    train: Mapping[str, Any],
    select: Mapping[str, Any],
) -> dict[str, Any]:
    if not plan.reconstruction:
        return {}
    return {
        name: executor.submit(
            tasks.fit_decoder, evidence.schema,
            train[name], represented.x["train"], select[name], represented.x["select"],
        )
        for name in represented.models
    }  # fmt: skip


def _reconstructions(
    evidence: Evidence,
    executor: Executor,
    represented: _Representations,
    decoders: Mapping[str, Any],
    test: Mapping[str, Any],
) -> dict[str, Any]:
    """Tasks for the scores of each decoder and of the baseline; empty without decoders."""
    if not decoders:
        return {}
    schema, x = evidence.schema, evidence.test.x[: reconstruction.MAX_SCORED]
    submitted = {
        name: executor.submit(tasks.decode, schema, decoder, test[name], x)
        for name, decoder in decoders.items()
    }
    baseline = executor.submit(
        tasks.decode_without_features, schema, decoders["released"], represented.x["train"], x
    )
    return {**submitted, "without_features": baseline}


def _labels(job: Job, u: NDArray[np.int64], plan: Plan) -> NDArray[np.int64]:
    """True labels; for the negative control, shuffled labels."""
    if job.representation != "shuffled":
        return u
    number = list(plan.private).index(job.target)
    return np.random.default_rng([plan.sample_seed, number, len(u)]).permutation(u)


def _order(job: Job) -> tuple[bool, int]:
    """Sort key: slow jobs first, so that no slow job is the last to start."""
    order = _SLOWEST_FIRST
    rank = order.index(job.attack) if job.attack in order else len(order)
    return job.representation != "raw", rank


def _cost(job: Job) -> float:
    """Rough seconds of a fit."""
    return (
        _FIT_SECONDS.get(job.attack, 0.1)
        * job.budget
        * (_RAW_FACTOR if job.representation == "raw" else 1)
    )


def as_trial(outcome: Any) -> AttackTrial:
    """A job's trial; a failed trial where the job raised an exception."""
    if isinstance(outcome, AttackTrial):
        return outcome
    reason = str(outcome) if isinstance(outcome, TimeoutError) else type(outcome).__name__
    return AttackTrial(None, f"failed: {reason}", 0.0, None)


def _reconstruction_results(
    decoded: dict[str, Any], evidence: Evidence
) -> tuple[dict[str, dict[str, float]] | None, dict[str, NDArray[np.uint8]]]:
    """Scores of each reconstruction and of the baseline, and a few pictures."""
    if not decoded or any(isinstance(value, Exception) for value in decoded.values()):
        return None, {}
    schema, x = evidence.schema, evidence.test.x[: reconstruction.MAX_SCORED]
    scores = {name: decoded[name][0] for name in (*evidence.models, "without_features")}
    if schema.modality != "image":
        return scores, {}
    pictures = {n: np.rint(255 * decoded[n][1]).astype(np.uint8) for n in evidence.models}
    return scores, {"record": x[: tasks.PICTURES_SHOWN], **pictures}
