"""What can be watched of an audit: each attack as it ends, then the verdict."""

from __future__ import annotations

import time
from typing import Any

from pipelines.observability.stage_monitor import StageMonitor
from tiprdc.attacks.suite import AttackTrial
from tiprdc.audit.plan import Job
from tiprdc.audit.protocol import as_trial
from tiprdc.formats.audit_report import AuditReport


class Scoreboard:
    """Attacks that are over.

    Args:
        seen: The audit's eyes.
        jobs: How many there will be.
        artifact: What is audited, as the registry names it.
    """

    def __init__(self, seen: StageMonitor, jobs: int, artifact: str) -> None:
        self.seen, self.jobs, self.artifact = seen, jobs, artifact
        self._best: dict[tuple[str, ...], float] = {}
        self._states = {"finished": 0, "failed": 0, "waiting": jobs}

    def ended(self, key: Any, result: Any) -> None:
        """A task is over: if it was an attack, with a trial or with the exception it ended with."""
        if isinstance(key, Job):
            self.scored(key, as_trial(result))

    def scored(self, job: Job, trial: AttackTrial) -> None:
        """One attack is over: its score on attacker-select, or why there is none."""
        about = {"attribute": job.target, "representation": job.representation}
        about["attack"] = job.attack
        outcome = {"seed": job.seed, "select": trial.select, "status": trial.status}
        outcome["seconds"] = round(trial.seconds, 2)
        self.seen.log_event("attack", {**about, **outcome})
        self._states["failed" if trial.select is None else "finished"] += 1
        self._states["waiting"] -= 1
        for state, count in self._states.items():
            self.seen.set("audit_attacks", count, artifact=self.artifact, state=state)
        if trial.select is not None:
            key = tuple(about.values())
            self._best[key] = max(trial.select, self._best.get(key, 0.0))
            self.seen.set(
                "audit_attack_accuracy_ratio", self._best[key], artifact=self.artifact, **about
            )


def judged(seen: StageMonitor, report: AuditReport, artifact: str) -> None:
    """The verdict on an artifact, and the figures of each private attribute."""
    for verdict in ("PASS", "FAIL", "INCONCLUSIVE"):
        seen.set(
            "audit_verdict", float(report.verdict == verdict), artifact=artifact, verdict=verdict
        )
    seen.set("audit_time_seconds", time.time(), artifact=artifact)
    for name, found in report.attributes.items():
        about = {"artifact": artifact, "attribute": name}
        seen.set("audit_limit_ratio", found.limit, **about)
        if found.strongest:
            rate, high = found.strongest.balanced_accuracy, found.strongest.high
            seen.set("audit_strongest_ratio", rate, **about)
            seen.set("audit_strongest_upper_ratio", high, **about)
    seen.log_event("verdict", {"verdict": report.verdict, "model_sha256": report.model_sha256})
