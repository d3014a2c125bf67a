"""Runs the self-test; the short one takes about a minute on one core, the full one many."""

from __future__ import annotations

import time

import torch

from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit.executor import ProgressCallback
from tiprdc.selftest import checks
from tiprdc.selftest.report import Check, SelfTest
from tiprdc.selftest.small_audit import AuditSetup

QUICK_REPLICATIONS, FULL_REPLICATIONS = 100, 1000
_QUICK = AuditSetup(train=4000, select=1000, test=2000)
_FULL = AuditSetup(train=20_000, select=5000, test=10_000)


def self_test(*, quick: bool = True, progress: ProgressCallback | None = None) -> SelfTest:
    """Audit fixtures of known Bayes rate with the code that audits releases.

    The same version on the same kind of CPU gives the same figures: every draw has a seed.

    Args:
        quick: 100 replications and 4,000 people; else 1,000 and 20,000.
        progress: Called with the progress.

    Returns:
        All checks; `holds` is False if the auditor is broken.
    """
    start, threads = time.monotonic(), torch.get_num_threads()
    replications = QUICK_REPLICATIONS if quick else FULL_REPLICATIONS
    steps = replications / 4 + 3 * (len(checks.DETECTED) + len(checks.NO_LEAK) + 2) + 2
    done, label = 0.0, "bounds"

    def tick(weight: float) -> None:
        nonlocal done
        done += weight
        if progress is not None:
            progress(label, min(1.0, done / steps))

    torch.set_num_threads(1)
    try:
        results: list[Check] = [*checks.bounds(), *checks.power()]
        label = "faults"
        results += checks.evidence_faults(lambda: tick(1))
        label = "leaks"
        results += checks.planted_leaks(_QUICK if quick else _FULL, lambda: tick(3))
        label = "false alarms"
        results += checks.false_alarms(replications, lambda: tick(0.25))
    finally:
        torch.set_num_threads(threads)
    return SelfTest(
        suite_version=SUITE_VERSION,
        quick=quick,
        checks=tuple(results),
        seconds=time.monotonic() - start,
    )
