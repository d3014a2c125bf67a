"""Extract, fit, select, and let the selected decide on attacker-test: the order is the point.

Attackers are fitted on attacker-train and chosen on attacker-select. Only then does attacker-test
pass through the extractors, and of each attribute and representation one attacker alone decides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks import membership, reconstruction
from tiprdc.attacks.suite import ATTACKS, Trial
from tiprdc.audit import measures, tasks
from tiprdc.audit.evidence import Evidence, sample
from tiprdc.audit.executor import Executor
from tiprdc.audit.plan import Job, jobs_of
from tiprdc.datasets.schema import Records
from tiprdc.formats.audit_plan import Plan
from tiprdc.models.inputs import as_attacked
from tiprdc.statistics.sampling import one_a_person

_SLOWEST_FIRST = ("decoding", "gru", "decensoring", "cnn", "mlp", "kernel", "gradient_boosting")
_SECONDS = {
    "decoding": 9.0, "gru": 8.0, "decensoring": 5.5, "cnn": 2.0, "mlp": 0.8, "kernel": 0.4,
}  # fmt: skip
"""Of a fit on features of 4,000 people, on a slow core: how far along an audit is."""
_RAW = 4.0
"""How many times longer a fit on raw records takes."""


@dataclass(frozen=True)
class Results:
    """What came back from the tasks.

    Args:
        trials: Each job's score on attacker-select.
        chosen: Target and representation -> the selected job.
        said: The same -> its probabilities on the balanced sample, or why there are none.
        features: Shape of one record's features.
        measures: What else was measured.
        reconstruction, pictures: None and empty where it was not tried or failed.
    """

    trials: dict[Job, Trial]
    chosen: dict[tuple[str, str], Job]
    said: dict[tuple[str, str], NDArray[np.float64] | str]
    features: tuple[int, ...]
    reconstruction: dict[str, dict[str, float]] | None
    measures: measures.Found
    pictures: dict[str, NDArray[np.uint8]]


class _Represented:
    """The splits as attackers see them, each made when somebody asks."""

    def __init__(self, evidence: Evidence, executor: Executor, *, members: bool) -> None:
        self.executor = executor
        self.models = {name: executor.put(model) for name, model in evidence.models.items()}
        parts = dict(evidence.parts)
        if members and evidence.trained is not None:
            parts["members"] = _members(evidence.trained)
        self.x = {name: executor.put(part.x) for name, part in parts.items()}
        self.raw = {
            name: executor.put(as_attacked(part.x, evidence.schema)) for name, part in parts.items()
        }

    def of(self, part: str) -> dict[str, Any]:
        """Representation -> what stands for this split in it."""
        z = {
            name: self.executor.submit(tasks.extract, model, self.x[part])
            for name, model in self.models.items()
        }
        return {**z, "shuffled": z["released"], "raw": self.raw[part]}


def attack(plan: Plan, evidence: Evidence, executor: Executor, most_seconds: float) -> Results:
    """Fit, select, and let the selected decide.

    Args:
        plan: As hashed.
        evidence: Records and files.
        executor: Where the work is done.
        most_seconds: What is not finished after this counts as failed.

    Raises:
        ModelError: A file cannot be run on these records.
    """
    deadline = time.monotonic() + most_seconds
    seen = _Represented(evidence, executor, members="membership" in plan.measures)
    train, select = seen.of("train"), seen.of("select")
    # A file that cannot be run is an error here, not the failure of every attack on its features.
    first, *_ = executor.get([part[name] for name in seen.models for part in (train, select)])
    decoders = _decoders(plan, evidence, executor, seen, train, select)
    trials, attackers = _fit(plan, evidence, executor, train, select, deadline)
    chosen = choose(trials)
    test = seen.of("test")
    asked = {
        key: executor.submit(
            tasks.say, attackers[job], test[job.representation],
            sample(evidence.test, evidence.schema, job.target, plan.sample_seed),
        )
        for key, job in chosen.items()
    }  # fmt: skip
    few = evidence.test.x[: reconstruction.MOST_SCORED]
    rebuilt = {
        name: executor.submit(tasks.decode, evidence.schema, decoder, test[name], few)
        for name, decoder in decoders.items()
    }
    if decoders:
        rebuilt["without_features"] = executor.submit(
            tasks.decode_nothing, evidence.schema, decoders["released"], seen.x["train"], few
        )
    parts = {"train": train, "select": select, "test": test}
    members = seen.of("members") if "members" in seen.x else {}
    handed = measures.hand_out(plan, evidence, executor, parts, members, chosen, decoders)
    said = {
        key: f"failed: {type(value).__name__}" if isinstance(value, Exception) else value
        for key, value in executor.collect(asked, deadline, "test", lambda key: 1.0)
    }
    found = dict(executor.collect(rebuilt, deadline, "reconstruction", lambda key: 1.0))
    scores, pictures = _rebuilt(found, evidence)
    measured = dict(
        executor.collect(handed, deadline, "measures", lambda key: measures.SECONDS[key[0]])
    )
    others = measures.collected(plan, evidence, measured)
    return Results(trials, chosen, said, first.shape[1:], scores, others, pictures)


def _members(trained: Records) -> Records:
    """Some people of extractor-train, one record each."""
    rows = one_a_person(trained.person, np.random.default_rng(0))
    return trained.take(rows[: membership.MOST])


def choose(trials: Mapping[Job, Trial]) -> dict[tuple[str, str], Job]:
    """Of each target and representation the best job on attacker-select; the first wins a tie."""
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
) -> tuple[dict[Job, Trial], dict[Job, Any]]:
    """Every job's trial, and what stands for its attacker."""
    jobs = jobs_of(plan)
    waiting, attackers = {}, {}
    for job in sorted(jobs, key=_place):
        labels = [
            _labels(job, part.labels[job.target], plan)
            for part in (evidence.train, evidence.select)
        ]
        z = train[job.representation], select[job.representation]
        classes = evidence.schema.classes(job.target)
        x = train["raw"] if ATTACKS[job.attack].needs_records else None
        waiting[job], attackers[job] = executor.submit(
            tasks.fit, job, *z, *labels, classes, x, returns=2
        )
    found = dict(executor.collect(waiting, deadline, "attack", _cost))
    return {job: as_trial(found[job]) for job in jobs}, attackers


def _decoders(
    plan: Plan,
    evidence: Evidence,
    executor: Executor,
    seen: _Represented,
    train: Mapping[str, Any],
    select: Mapping[str, Any],
) -> dict[str, Any]:
    if not plan.reconstruction:
        return {}
    return {
        name: executor.submit(
            tasks.fit_decoder, evidence.schema,
            train[name], seen.x["train"], select[name], seen.x["select"],
        )
        for name in seen.models
    }  # fmt: skip


def _labels(job: Job, u: NDArray[np.int64], plan: Plan) -> NDArray[np.int64]:
    """True labels; for the negative control in an order that has nothing to do with the people."""
    if job.representation != "shuffled":
        return u
    place = list(plan.private).index(job.target)
    return np.random.default_rng([plan.sample_seed, place, len(u)]).permutation(u)


def _place(job: Job) -> tuple[bool, int]:
    """Slow ones first, so that the last core does not wait for one of them."""
    order = _SLOWEST_FIRST
    place = order.index(job.attack) if job.attack in order else len(order)
    return job.representation != "raw", place


def _cost(job: Job) -> float:
    """Seconds that a fit takes, roughly."""
    return _SECONDS.get(job.attack, 0.1) * job.budget * (_RAW if job.representation == "raw" else 1)


def as_trial(found: Any) -> Trial:
    """A job's trial; one that failed where it ended with an exception."""
    if isinstance(found, Trial):
        return found
    reason = str(found) if isinstance(found, TimeoutError) else type(found).__name__
    return Trial(None, f"failed: {reason}", 0.0, None)


def _rebuilt(
    found: dict[str, Any], evidence: Evidence
) -> tuple[dict[str, dict[str, float]] | None, dict[str, NDArray[np.uint8]]]:
    """Scores of each reconstruction beside the mean record's, and a few pictures."""
    if not found or any(isinstance(value, Exception) for value in found.values()):
        return None, {}
    schema, few = evidence.schema, evidence.test.x[: reconstruction.MOST_SCORED]
    scores = {name: found[name][0] for name in (*evidence.models, "without_features")}
    if schema.modality != "image":
        return scores, {}
    pictures = {n: np.rint(255 * found[n][1]).astype(np.uint8) for n in evidence.models}
    return scores, {"record": few[: tasks.PICTURES_SHOWN], **pictures}
