"""The checks of the self-test: bounds, power, false alarms, planted leaks, evidence faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy import stats

from tiprdc.audit.policy import PolicyConfig
from tiprdc.formats.audit_report import Estimate
from tiprdc.formats.numbers import percent
from tiprdc.selftest.faults import FAULTS
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.report import Check
from tiprdc.selftest.small_audit import AuditSetup, audit_fixture, collect_state, conclude_state
from tiprdc.statistics.binomial import interval, lower_bound, pass_probability, prior, upper_bound

NOMINAL = 0.05
STRENGTH = 0.8
"""Bayes accuracy of the planted leaks."""
EXPOSED = 0.515
"""Bayes accuracy of the fixture that exposes 3 % of the people."""
POWER = {1000: 0.34, 5000: 0.88, 10_000: 0.99}
"""People -> how often a model that leaks nothing passes at a margin of 0.02."""
DETECTED = ("plain", "linear", "xor", "parity", "norm", "cluster", "ring", "pattern", "order")
"""Fixtures whose leak must be detected."""
NO_LEAK = ("independent", "erased")
"""Fixtures that must never fail."""
KNOWN_LIMITS = {
    "digit": "no attack looks for it, quantisation removes it",
    "exposed": "3 % of the people, whom an average hides",
    "thin": "128 columns share it, and it takes more people to learn",
    "spread": "128 columns share it, and it takes more people to learn",
}
"""Fixtures whose leak may be missed, and why."""

Tick = Callable[[], None]


def bounds() -> Iterator[Check]:
    """Coverage of the exact bounds, summed over all outcomes: nothing is simulated."""
    worst = 1.0
    for people in (40, 400, 2000):
        counts = np.arange(people + 1)
        low = np.array([lower_bound(int(c), people) for c in counts])
        high = np.array([upper_bound(int(c), people) for c in counts])
        for rate in (0.03, 0.5, 0.61, 0.9):
            chance = stats.binom.pmf(counts, people, rate)
            covered = (chance[low <= rate].sum(), chance[high >= rate].sum())
            worst = min(worst, *map(float, covered))
    yield Check(
        name="coverage of the bounds", expected="never below 95 %",
        observed=f"{percent(worst, 2)} at worst", holds=worst >= 1 - NOMINAL, value=worst,
    )  # fmt: skip


def power() -> Iterator[Check]:
    """Probability that a model without a leak passes, by summing over all outcomes."""
    limit = prior(2) + 0.02
    for people, stated in POWER.items():
        probability = pass_probability(prior(2), limit, people)
        yield Check(
            name=f"a clean model passes, {people:,} people", expected=percent(stated, 0),
            observed=percent(probability), holds=abs(probability - stated) < 0.01,
            value=probability,
        )  # fmt: skip
    worst = max(pass_probability(rate, rate, n) for rate in (0.52, 0.6) for n in (400, 2000, 9999))
    yield Check(
        name="a PASS exactly at the limit", expected="at most 5 %",
        observed=f"{percent(worst, 2)} at worst", holds=worst <= NOMINAL, value=worst,
    )  # fmt: skip


def false_alarms(replications: int, tick: Tick) -> Iterator[Check]:
    """False alarm rate of whole audits on features without information."""
    setup = AuditSetup(train=400, select=200, test=400)
    above = failed = 0
    for seed in range(replications):
        audit = audit_fixture(FIXTURES["independent"], 0.5, setup, seed)
        strongest = audit.report.strongest
        # A missing figure counts as an alarm: it must not look like a clean record.
        above += strongest is None or strongest.low > prior(2)
        failed += audit.verdict == "FAIL"
        tick()
    rate = interval(above, replications)
    yield Check(
        name="false alarms: lower bound above the prior", expected="5 %, not clearly more",
        observed=f"{above} of {replications} ({percent(rate.low)} to {percent(rate.high)})",
        holds=rate.low <= NOMINAL, value=rate.value, low=rate.low, high=rate.high,
    )  # fmt: skip
    yield Check(
        name="false FAIL at a margin of 0.10", expected="1 % at most, not clearly more",
        observed=f"{failed} of {replications}", holds=lower_bound(failed, replications) <= 0.01,
        value=failed / replications,
    )  # fmt: skip


def planted_leaks(setup: AuditSetup, tick: Tick) -> Iterator[Check]:
    """One audit of each fixture: planted leaks, no leak, and known limits."""
    for name in DETECTED:
        audit = audit_fixture(FIXTURES[name], STRENGTH, setup, 1)
        recovered = _recovered(audit.report.strongest, STRENGTH)
        yield Check(
            name=f"leak: {FIXTURES[name].about}", expected=f"FAIL (best possible {STRENGTH:.0%})",
            observed=f"{audit.verdict}, {percent(recovered, 0)} of the advantage recovered",
            holds=audit.verdict == "FAIL", value=recovered,
        )  # fmt: skip
        tick()
    for name in NO_LEAK:
        audit = audit_fixture(FIXTURES[name], STRENGTH, setup, 1)
        yield Check(
            name=f"no leak: {FIXTURES[name].about}", expected="never FAIL",
            observed=audit.verdict, holds=audit.verdict != "FAIL",
        )  # fmt: skip
        tick()
    for name, why in KNOWN_LIMITS.items():
        accuracy = EXPOSED if name == "exposed" else STRENGTH
        audit = audit_fixture(FIXTURES[name], accuracy, setup, 1)
        strongest = audit.report.strongest
        rate = prior(2) if strongest is None else strongest.balanced_accuracy
        yield Check(
            name=f"leak: {FIXTURES[name].about}", expected=f"may PASS: {why}",
            observed=f"{audit.verdict}, {percent(rate)} (best possible {percent(accuracy)})",
            holds=None, value=rate,
        )  # fmt: skip
        tick()


def evidence_faults(tick: Tick) -> Iterator[Check]:
    """The fault matrix: each fault breaks the evidence of an audit that passes."""
    setup = AuditSetup(
        train=400, select=200, test=1000, attacks=("logistic_regression", "nearest_neighbours"),
        policy=PolicyConfig(min_people=100),
    )  # fmt: skip
    clean = collect_state(FIXTURES["independent"], 0.5, setup, 0)
    before = conclude_state(clean).verdict
    passed = [
        fault for fault, apply in FAULTS.items() if conclude_state(apply(clean)).verdict == "PASS"
    ]
    tick()
    observed = f"{len(passed)} PASS" + (f": {', '.join(passed)}" if passed else "")
    yield Check(
        name=f"{len(FAULTS)} faults in the evidence", expected="0 PASS; without a fault PASS",
        observed=f"{observed}; without a fault {before}", holds=before == "PASS" and not passed,
        value=float(len(passed)),
    )  # fmt: skip
    exposed = collect_state(FIXTURES["linear"], STRENGTH, replace(setup, train=1000), 0)
    after = [conclude_state(apply(exposed)).verdict for apply in FAULTS.values()]
    yield Check(
        name="the same faults where u leaks", expected="0 PASS",
        observed=f"{after.count('PASS')} PASS, {after.count('FAIL')} FAIL",
        holds="PASS" not in after, value=float(after.count("PASS")),
    )  # fmt: skip
    tick()


def _recovered(strongest: Estimate | None, accuracy: float) -> float:
    """Share of the advantage over chance that the selected attacker reaches."""
    rate = prior(2) if strongest is None else strongest.balanced_accuracy
    return (rate - prior(2)) / (accuracy - prior(2))
