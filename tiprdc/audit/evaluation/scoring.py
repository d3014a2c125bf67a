"""Turns the attacks' predictions into figures with bounds, and judges each attribute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from tiprdc.attacks.measures.worst_people import most_confident, subgroups
from tiprdc.attacks.suite import AttackTrial
from tiprdc.audit.evaluation.certificates import build_certificate, delta_of
from tiprdc.audit.evaluation.curves import build_curve, order_curves, people_of
from tiprdc.audit.evaluation.estimate import estimate_from_counts, kept
from tiprdc.audit.evaluation.measures import MeasuresByFamily, planned_families
from tiprdc.audit.evidence import Evidence, sample
from tiprdc.audit.plan import STACK, Job
from tiprdc.audit.protocol import Results
from tiprdc.audit.verdict import judge, limit_of
from tiprdc.formats.audit_bounds import Certificate, Curve
from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import (
    Alternative,
    AttackRun,
    AttributeReport,
    Estimate,
    Measure,
    TaskReport,
)
from tiprdc.statistics.binomial import prior
from tiprdc.statistics.label_floor import recognised_from_labels
from tiprdc.statistics.scores import leakage_bits


@dataclass(frozen=True)
class Scored:
    """Results of the attacks, with the plan and the labels that they are scored on."""

    plan: Plan
    evidence: Evidence
    results: Results

    @property
    def _confidence(self) -> float:
        """Of each one-sided bound."""
        return self.plan.policy.confidence

    def attribute_report(self, name: str) -> tuple[AttributeReport, tuple[str, ...]]:
        """The verdict on a private attribute, and its reasons if it is not PASS."""
        return judge(
            name,
            self.plan,
            strongest=self.estimate(name, "released"),
            leakage=self.leakage(name),
            controls={
                **{r: self.estimate(name, r) for r in ("raw", "unprotected", "shuffled")},
                "floor": self.floor(name),
            },
            attacks=self.runs(name),
            curves=self.curves(name),
            certificate=self.certificate(name),
        )

    def curves(self, name: str) -> tuple[Curve, ...] | str:
        """Learning curves of a private attribute, or the reason why there are none."""
        counts, classes = self.results.curves[name], self.plan.private[name]
        if isinstance(counts, str):
            return counts
        floor = self.floor(name)
        floor_rate = None if floor is None else floor.balanced_accuracy
        limit = limit_of(self.plan.policy, len(classes), floor_rate)
        return order_curves(
            [
                build_curve(
                    c.job.attack, c.job.pool, c.job.seed, c.people, c.patterns, self.plan.policy,
                    prior(len(classes)), limit,
                )
                for c in counts
            ]
        )  # fmt: skip

    def certificate(self, name: str) -> Certificate | None:
        """The certificate of a private attribute, if features are a code."""
        counts = self.results.counts[name]
        if isinstance(counts, str):
            return None
        return build_certificate(counts, delta_of(self.plan), self.results.border)

    def task_report(self, name: str) -> TaskReport:
        """How well probes do an unseen task."""
        classes = self.plan.utility[name]
        released, unprotected = (self.estimate(name, r) for r in ("released", "unprotected"))
        ceiling = self.estimate(name, "raw")
        loss = None
        if released is not None and unprotected is not None:
            loss = unprotected.balanced_accuracy - released.balanced_accuracy
        return TaskReport(
            classes=classes,
            prior=prior(len(classes)),
            people=self.plan.people[name],
            released=released,
            unprotected=unprotected,
            ceiling=ceiling,
            kept=kept(released, ceiling, prior(len(classes))),
            loss=loss,
            probes=self.runs(name),
        )

    def alternatives(self) -> tuple[Alternative, ...]:
        """The release and its trivial alternatives, where they were measured."""
        scored = self.results.alternatives
        if isinstance(scored, str):
            return ()
        tasks = {name: self.task_report(name) for name in self.plan.utility}
        priors = {name: task.prior for name, task in tasks.items()}
        ceilings = {
            name: task.ceiling.balanced_accuracy
            for name, task in tasks.items()
            if task.ceiling is not None and task.kept is not None
        }
        return tuple(one.report(self.plan, priors, ceilings) for one in scored)

    def measures(self) -> MeasuresByFamily:
        """The other measures by family, or the reason why there are none."""
        measures: MeasuresByFamily = {}
        for family in planned_families(self.plan):
            if family == "worst_people":
                worst = tuple(m for name in self.plan.private for m in self._worst(name))
                measures[family] = worst or "no attacker finished, or too few people"
            else:
                measures[family] = self.results.measures[family]
        return measures

    def _worst(self, name: str) -> Iterator[Measure]:
        probabilities, confidence = self.probabilities(name, "released"), self._confidence
        if probabilities is None:
            return
        truth, labels = self.truth(name, "released"), self.evidence.test.labels
        tasks = {
            task: (labels[task][self.rows(name)], classes)
            for task, classes in self.plan.utility.items()
        }
        yield from most_confident(name, probabilities, truth, confidence)
        yield from subgroups(name, probabilities, truth, tasks, confidence)

    def runs(self, target: str) -> tuple[AttackRun, ...]:
        """Every run on this attribute or task; a selected one that failed on attacker-test, too."""
        return tuple(
            AttackRun(
                attack=job.attack,
                representation=job.representation,
                seed=job.seed,
                pool=job.pool,
                attacker_people=self._people(job, trial),
                select=trial.select,
                status=self._status(job, trial),
            )
            for job, trial in self.results.trials.items()
            if job.target == target
        )

    def _people(self, job: Job, trial: AttackTrial) -> int:
        """Records that an attack was fitted on, without copies; 0 if it failed."""
        if job.attack == STACK:
            return people_of(self.plan, job.pool) + self.plan.stack_people
        return min(trial.people, people_of(self.plan, job.pool))

    def _status(self, job: Job, trial: AttackTrial) -> str:
        key = (job.target, job.representation)
        failure = self.results.probabilities.get(key)
        lost = self.results.chosen.get(key) == job and isinstance(failure, str)
        return f"{failure} on attacker-test" if lost else trial.status

    def rows(self, target: str) -> NDArray[np.intp]:
        """The balanced sample of attacker-test."""
        test, schema = self.evidence.test, self.evidence.schema
        return sample(test, schema, target, self.plan.sample_seed)

    def truth(self, target: str, representation: str) -> NDArray[np.int64]:
        """Class numbers of the balanced sample of attacker-test."""
        u = self.evidence.test.labels[target][self.rows(target)]
        if representation != "shuffled":
            return u
        place, seed = list(self.plan.private).index(target), self.plan.sample_seed
        return np.random.default_rng([seed, place, len(u), 1]).permutation(u)

    def probabilities(self, target: str, representation: str) -> NDArray[np.float64] | None:
        """Probabilities `[N, K]` of the selected attack on the balanced sample, if any."""
        rows = self.results.probabilities.get((target, representation))
        return None if rows is None or isinstance(rows, str) or not len(rows) else rows

    def estimate(self, target: str, representation: str) -> Estimate | None:
        """The selected attacker's balanced accuracy on attacker-test."""
        probabilities = self.probabilities(target, representation)
        if probabilities is None:
            return None
        job = self.results.chosen[target, representation]
        truth = self.truth(target, representation)
        correct = int(np.sum(np.argmax(probabilities, axis=1) == truth))
        trial = self.results.trials[job]
        estimate = estimate_from_counts(
            job.attack, correct, len(truth), self._confidence, trial.select
        )
        return structs.replace(estimate, pool=job.pool, attacker_people=self._people(job, trial))

    def leakage(self, target: str) -> float | None:
        """Lower bound in bits, by the selected attack on released features."""
        probabilities = self.probabilities(target, "released")
        if probabilities is None:
            return None
        return leakage_bits(probabilities, self.truth(target, "released"))

    def floor(self, target: str) -> Estimate | None:
        """The label floor: balanced accuracy from the true utility labels alone."""
        schema = self.evidence.schema
        if not schema.utility:
            return None
        train, test, rows = self.evidence.train, self.evidence.test, self.rows(target)
        correct = recognised_from_labels(
            {task: train.labels[task] for task in schema.utility},
            train.labels[target],
            {task: test.labels[task][rows] for task in schema.utility},
            test.labels[target][rows],
            schema.classes(target),
        )
        return estimate_from_counts("label_floor", correct, len(rows), self._confidence)
