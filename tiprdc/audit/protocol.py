"""The attack protocol: fit on attacker-train, select on attacker-select, score on attacker-test.

The order matters: attacker-test passes through the extractors only after the selection. Only one
attacker of each attribute and representation predicts on it, and the attackers of learning curves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.measures import reconstruction
from tiprdc.attacks.suite import AttackTrial
from tiprdc.audit import tasks
from tiprdc.audit.batch_check import sample_rows
from tiprdc.audit.evaluation import measures
from tiprdc.audit.evaluation.alternatives import (
    AlternativeScore,
    collect_alternatives,
    submit_alternatives,
)
from tiprdc.audit.evaluation.code_counts import collect_counts, submit_counts
from tiprdc.audit.evaluation.curve_fitting import collect_curves, submit_curves
from tiprdc.audit.evaluation.curves import CurveCounts
from tiprdc.audit.evidence import Evidence, sample
from tiprdc.audit.executor import Executor, K, failure
from tiprdc.audit.fitting import Labels, fit_attacks
from tiprdc.audit.plan import Job
from tiprdc.audit.pools import pools_of
from tiprdc.audit.representations import Representations, features_read
from tiprdc.datasets.schema import PICTURED
from tiprdc.formats.audit_plan import Plan
from tiprdc.models.inputs import attack_inputs


@dataclass(frozen=True)
class Results:
    """Results of the tasks of an audit.

    Args:
        trials: Each job's score on attacker-select.
        chosen: (target, representation) -> the selected job.
        probabilities: The same -> its probabilities on the balanced sample, or the reason why there
            are none.
        curves: Private attribute -> its learning curves, or the reason why there are none.
        counts: Private attribute -> people of each class in each cell of a code `[C, K]`, or the
            reason why there are none.
        border: Share of records near a cell's border; None: not known.
        alternatives: The release and trivial alternatives, or the reason why there are none.
        features: Shape of one record's features.
        measures: Figures of the other measures.
        reconstruction, pictures: None and empty where reconstruction was off or failed.
    """

    trials: dict[Job, AttackTrial]
    chosen: dict[tuple[str, str], Job]
    probabilities: dict[tuple[str, str], NDArray[np.float64] | str]
    curves: dict[str, tuple[CurveCounts, ...] | str]
    counts: dict[str, NDArray[np.int64] | str]
    border: float | None
    alternatives: tuple[AlternativeScore, ...] | str
    features: tuple[int, ...]
    reconstruction: dict[str, dict[str, float]] | None
    measures: measures.MeasuresByFamily
    pictures: dict[str, NDArray[np.uint8]]


def check_models(evidence: Evidence, executor: Executor) -> None:
    """Check that every model gives a record the same features in every batch.

    Raises:
        ModelError: One does not, or a file cannot be run on these records.
        DataError: The records do not match a file's inputs.
    """
    x = evidence.train.x[sample_rows(len(evidence.train))]
    models = evidence.models.values()
    executor.get([executor.submit(tasks.check_batches, model, x) for model in models])


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
    pools = pools_of(evidence, plan.sample_seed)
    represented = Representations(evidence, pools, executor, plan.sample_seed)
    select = represented.part("select")
    # A file that cannot be run must raise here, not fail every attack on its features.
    first, *_ = executor.get(
        [part[name] for name in represented.models for part in (represented.part("fit"), select)]
    )
    decoders = _decoders(plan, evidence, executor, represented)
    labels = Labels(plan, represented)
    attackers, trials = fit_attacks(plan, represented, labels, deadline)
    chosen = choose(trials)
    test = represented.part("test")
    predictions = {
        key: executor.submit(
            tasks.predict_probabilities, attackers[job], test[features_read(job.representation)],
            sample(evidence.test, evidence.schema, job.target, plan.sample_seed),
        )
        for key, job in chosen.items()
    }  # fmt: skip
    submitted_curves = submit_curves(plan, represented, labels, trials, attackers)
    coded = submit_counts(plan, represented)
    beside = submit_alternatives(plan, represented)
    reconstructions = _reconstructions(evidence, executor, represented, decoders)
    measure_tasks = measures.submit_measures(plan, represented, decoders)
    probabilities = {
        key: failure(value) if isinstance(value, Exception) else value
        for key, value in executor.collect(predictions, deadline, "test", lambda key: 1.0)
    }
    curves = collect_curves(plan, executor, submitted_curves, deadline)
    counts, border = collect_counts(plan, executor, coded, deadline)
    alternatives = collect_alternatives(executor, beside, deadline)
    decoded = _collect(executor, reconstructions, deadline, "reconstruction", lambda key: 1.0)
    scores, pictures = _reconstruction_results(decoded, evidence)
    figures = _collect(
        executor, measure_tasks, deadline, "measures",
        lambda key: measures.EXPECTED_SECONDS[key[0]],
    )  # fmt: skip
    by_family = measures.group_by_family(plan, evidence, figures)
    return Results(
        trials, chosen, probabilities, curves, counts, border, alternatives, first.shape[1:],
        scores, by_family, pictures,
    )  # fmt: skip


def _collect(
    executor: Executor, submitted: Mapping[K, Any], deadline: float, label: str,
    cost: Callable[[K], float],
) -> dict[K, Any]:  # fmt: skip
    """Results in the order of submission: the report must not depend on which task ends first."""
    results = dict(executor.collect(submitted, deadline, label, cost))
    return {key: results[key] for key in submitted}


def choose(trials: Mapping[Job, AttackTrial]) -> dict[tuple[str, str], Job]:
    """The best job on attacker-select for each (target, representation); the first wins a tie."""
    chosen: dict[tuple[str, str], tuple[float, Job]] = {}
    for job, trial in trials.items():
        key = (job.target, job.representation)
        if trial.select is not None and trial.select > chosen.get(key, (-1.0, job))[0]:
            chosen[key] = (trial.select, job)
    return {key: job for key, (_, job) in chosen.items()}


def _decoders(
    plan: Plan,
    evidence: Evidence,
    executor: Executor,
    represented: Representations,
) -> dict[str, Any]:
    if not plan.reconstruction:
        return {}
    fit, select = represented.part("fit"), represented.part("select")
    return {
        name: executor.submit(
            tasks.fit_decoder, evidence.schema,
            fit[name], represented.x["fit"], select[name], represented.x["select"], gpu=True,
        )
        for name in represented.models
    }  # fmt: skip


def _reconstructions(
    evidence: Evidence,
    executor: Executor,
    represented: Representations,
    decoders: Mapping[str, Any],
) -> dict[str, Any]:
    """Tasks for the scores of each decoder and of the baseline; empty without decoders."""
    if not decoders:
        return {}
    schema, x = evidence.schema, evidence.test.x[: reconstruction.MAX_SCORED]
    test = represented.part("test")
    submitted = {
        name: executor.submit(tasks.decode, schema, decoder, test[name], x)
        for name, decoder in decoders.items()
    }
    baseline = executor.submit(
        tasks.decode_without_features, schema, decoders["released"], represented.x["fit"], x
    )
    return {**submitted, "without_features": baseline}


def _reconstruction_results(
    decoded: dict[str, Any], evidence: Evidence
) -> tuple[dict[str, dict[str, float]] | None, dict[str, NDArray[np.uint8]]]:
    """Scores of each reconstruction and of the baseline, and a few pictures."""
    if not decoded or any(isinstance(value, Exception) for value in decoded.values()):
        return None, {}
    schema, x = evidence.schema, evidence.test.x[: reconstruction.MAX_SCORED]
    scores = {name: decoded[name][0] for name in (*evidence.models, "without_features")}
    if schema.modality not in PICTURED:
        return scores, {}
    pictures = {n: np.rint(255 * decoded[n][1]).astype(np.uint8) for n in evidence.models}
    return scores, {"record": attack_inputs(x[: tasks.PICTURES_SHOWN], schema), **pictures}
