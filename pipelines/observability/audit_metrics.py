"""Event log and metrics of an audit: each attack as it ends, then the verdict."""

from __future__ import annotations

import time
from typing import Any

from pipelines.observability.stage_monitor import StageMonitor
from tiprdc.attacks.suite import AttackTrial
from tiprdc.audit.fitting import as_trial
from tiprdc.audit.plan import Job
from tiprdc.formats.audit_report import AuditReport


class AttackMetrics:
    """Counts attacks and keeps the best score of each.

    Args:
        monitor: The audit's monitor.
        jobs: Number of attacks in all.
        artifact: The registry's name of what is audited.
    """

    def __init__(self, monitor: StageMonitor, jobs: int, artifact: str) -> None:
        self.monitor, self.jobs, self.artifact = monitor, jobs, artifact
        self._best: dict[tuple[str, ...], float] = {}
        self._states = {"finished": 0, "failed": 0, "waiting": jobs}

    def task_ended(self, key: Any, outcome: Any) -> None:
        """Record a task's result or exception, if the task is an attack."""
        if isinstance(key, Job):
            self.attack_ended(key, as_trial(outcome))

    def attack_ended(self, job: Job, trial: AttackTrial) -> None:
        """Record an attack's score on attacker-select, or the reason why there is none."""
        labels = {"attribute": job.target, "representation": job.representation}
        labels["attack"] = job.attack
        outcome = {"seed": job.seed, "select": trial.select, "status": trial.status}
        outcome["seconds"] = round(trial.seconds, 2)
        self.monitor.log_event("attack", {**labels, **outcome})
        self._states["failed" if trial.select is None else "finished"] += 1
        self._states["waiting"] -= 1
        for state, count in self._states.items():
            self.monitor.set("audit_attacks", count, artifact=self.artifact, state=state)
        if trial.select is not None:
            key = tuple(labels.values())
            self._best[key] = max(trial.select, self._best.get(key, 0.0))
            self.monitor.set(
                "audit_attack_accuracy_ratio", self._best[key], artifact=self.artifact, **labels
            )


def report_verdict(monitor: StageMonitor, report: AuditReport, artifact: str) -> None:
    """Record the verdict on an artifact, and the figures of each private attribute."""
    for verdict in ("PASS", "FAIL", "INCONCLUSIVE"):
        monitor.set(
            "audit_verdict", float(report.verdict == verdict), artifact=artifact, verdict=verdict
        )
    monitor.metrics.alarming = report.verdict != "PASS"
    monitor.set("audit_time_seconds", time.time(), artifact=artifact)
    for name, result in report.attributes.items():
        labels = {"artifact": artifact, "attribute": name}
        monitor.set("audit_limit_ratio", result.limit, **labels)
        if result.strongest:
            rate, high = result.strongest.balanced_accuracy, result.strongest.high
            monitor.set("audit_strongest_ratio", rate, **labels)
            monitor.set("audit_strongest_upper_ratio", high, **labels)
        if result.curves:
            projected = result.curves[0].projection.high
            monitor.set("audit_projected_upper_ratio", projected, **labels)
        if result.certificate:
            monitor.set("audit_certificate_ratio", result.certificate.bound, **labels)
    for task, figures in report.utility.items():
        if figures.kept is not None:
            monitor.set("audit_kept_ratio", figures.kept, artifact=artifact, attribute=task)
    monitor.log_event("verdict", {"verdict": report.verdict, "model_sha256": report.model_sha256})
