"""Turns the attacks' predictions into figures with bounds, and judges each attribute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.suite import AttackTrial
from tiprdc.attacks.worst_people import most_confident, subgroups
from tiprdc.audit.estimate import estimate_from_counts
from tiprdc.audit.evidence import Evidence, sample
from tiprdc.audit.measures import MeasuresByFamily, planned_families
from tiprdc.audit.plan import Job
from tiprdc.audit.protocol import Results
from tiprdc.audit.verdict import judge
from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import AttackRun, AttributeReport, Estimate, Measure, TaskReport
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
        )

    def task_report(self, name: str) -> TaskReport:
        """How well probes do an unseen task."""
        classes = self.plan.utility[name]
        released, unprotected = (self.estimate(name, r) for r in ("released", "unprotected"))
        loss = None
        if released is not None and unprotected is not None:
            loss = unprotected.balanced_accuracy - released.balanced_accuracy
        return TaskReport(
            classes=classes,
            prior=prior(len(classes)),
            people=self.plan.people[name],
            released=released,
            unprotected=unprotected,
            ceiling=self.estimate(name, "raw"),
            loss=loss,
            probes=self.runs(name),
        )

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
                select=trial.select,
                status=self._status(job, trial),
            )
            for job, trial in self.results.trials.items()
            if job.target == target
        )

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
        select = self.results.trials[job].select
        return estimate_from_counts(job.attack, correct, len(truth), self._confidence, select)

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
