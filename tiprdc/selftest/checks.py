"""What the self-test checks, one function each: bounds, power, alarms, leaks, verdicts, faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy import stats

from tiprdc.audit.config import PolicyConfig
from tiprdc.formats.audit_report import Estimate
from tiprdc.selftest.faults import FAULTS
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.report import Check
from tiprdc.selftest.small_audit import Design, audit_fixture, conclude_on, gather
from tiprdc.statistics.binomial import interval, lower_bound, pass_probability, prior, upper_bound

NOMINAL = 0.05
STRENGTH = 0.8
"""Bayes accuracy of the planted leaks."""
EXPOSED = 0.515
"""Bayes accuracy where 3 % of the people are exposed."""
POWER = {1000: 0.34, 5000: 0.88, 10_000: 0.99}
"""People -> how often a model that leaks nothing passes at a margin of 0.02."""
FOUND = ("plain", "linear", "xor", "parity", "norm", "cluster", "ring", "pattern", "order")
HARMLESS = ("independent", "erased")
MISSED = {
    "digit": "no attack looks for it, quantisation removes it",
    "exposed": "3 % of the people, whom an average hides",
}

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
            held = (chance[low <= rate].sum(), chance[high >= rate].sum())
            worst = min(worst, *map(float, held))
    yield Check(
        name="coverage of the bounds", wanted="never below 95 %",
        found=f"{_percent(worst, 2)} at worst", holds=worst >= 1 - NOMINAL, value=worst,
    )  # fmt: skip


def power() -> Iterator[Check]:
    """How often a clean model passes, against a count over all outcomes."""
    limit = prior(2) + 0.02
    for people, stated in POWER.items():
        found = pass_probability(prior(2), limit, people)
        yield Check(
            name=f"a clean model passes, {people:,} people", wanted=f"{_percent(stated, 0)}",
            found=_percent(found), holds=abs(found - stated) < 0.01, value=found,
        )  # fmt: skip
    worst = max(pass_probability(rate, rate, n) for rate in (0.52, 0.6) for n in (400, 2000, 9999))
    yield Check(
        name="a PASS exactly at the limit", wanted="at most 5 %",
        found=f"{_percent(worst, 2)} at worst", holds=worst <= NOMINAL, value=worst,
    )  # fmt: skip


def alarms(replications: int, tick: Tick) -> Iterator[Check]:
    """Whole selections on features that hold nothing: how often a leak is said to be there."""
    design = Design(train=400, select=200, test=400)
    above = failed = 0
    for seed in range(replications):
        finding = audit_fixture(FIXTURES["independent"], 0.5, design, seed)
        strongest = finding.report.strongest
        # No figure at all counts as an alarm: silence must not look like a clean record.
        above += strongest is None or strongest.low > prior(2)
        failed += finding.verdict == "FAIL"
        tick()
    rate = interval(above, replications)
    yield Check(
        name="false alarms: lower bound above the prior", wanted="5 %, not clearly more",
        found=f"{above} of {replications} ({_percent(rate.low)} to {_percent(rate.high)})",
        holds=rate.low <= NOMINAL, value=rate.value, low=rate.low, high=rate.high,
    )  # fmt: skip
    yield Check(
        name="false FAIL at a margin of 0.10", wanted="1 % at most, not clearly more",
        found=f"{failed} of {replications}", holds=lower_bound(failed, replications) <= 0.01,
        value=failed / replications,
    )  # fmt: skip


def leaks(design: Design, tick: Tick) -> Iterator[Check]:
    """One audit of each planted leak, and of features from which it was erased."""
    for name in FOUND:
        finding = audit_fixture(FIXTURES[name], STRENGTH, design, 1)
        recovered = _recovered(finding.report.strongest, STRENGTH)
        yield Check(
            name=f"leak: {FIXTURES[name].about}", wanted=f"FAIL (best possible {STRENGTH:.0%})",
            found=f"{finding.verdict}, {_percent(recovered, 0)} of the advantage recovered",
            holds=finding.verdict == "FAIL", value=recovered,
        )  # fmt: skip
        tick()
    for name in HARMLESS:
        finding = audit_fixture(FIXTURES[name], STRENGTH, design, 1)
        yield Check(
            name=f"no leak: {FIXTURES[name].about}", wanted="never FAIL",
            found=finding.verdict, holds=finding.verdict != "FAIL",
        )  # fmt: skip
        tick()
    for name, why in MISSED.items():
        accuracy = EXPOSED if name == "exposed" else STRENGTH
        finding = audit_fixture(FIXTURES[name], accuracy, design, 1)
        strongest = finding.report.strongest
        rate = prior(2) if strongest is None else strongest.balanced_accuracy
        yield Check(
            name=f"leak: {FIXTURES[name].about}", wanted=f"may PASS: {why}",
            found=f"{finding.verdict}, {_percent(rate)} (best possible {_percent(accuracy)})",
            holds=None, value=rate,
        )  # fmt: skip
        tick()


def faults(tick: Tick) -> Iterator[Check]:
    """The fault matrix: each fault breaks the evidence of an audit that passes."""
    design = Design(
        train=400, select=200, test=1000, attacks=("logistic_regression", "nearest_neighbours"),
        policy=PolicyConfig(min_people=100),
    )  # fmt: skip
    clean = gather(FIXTURES["independent"], 0.5, design, 0)
    before = conclude_on(clean).verdict
    passed = [
        fault for fault, happens in FAULTS.items() if conclude_on(happens(clean)).verdict == "PASS"
    ]
    tick()
    found = f"{len(passed)} PASS" + (f": {', '.join(passed)}" if passed else "")
    yield Check(
        name=f"{len(FAULTS)} faults in the evidence", wanted="0 PASS; without a fault PASS",
        found=f"{found}; without a fault {before}", holds=before == "PASS" and not passed,
        value=float(len(passed)),
    )  # fmt: skip
    exposed = gather(FIXTURES["linear"], STRENGTH, replace(design, train=1000), 0)
    after = [conclude_on(happens(exposed)).verdict for happens in FAULTS.values()]
    yield Check(
        name="the same faults where u leaks", wanted="0 PASS",
        found=f"{after.count('PASS')} PASS, {after.count('FAIL')} FAIL",
        holds="PASS" not in after, value=float(after.count("PASS")),
    )  # fmt: skip
    tick()


def _recovered(strongest: Estimate | None, accuracy: float) -> float:
    """Share of the available advantage that the selected attacker recovers."""
    rate = prior(2) if strongest is None else strongest.balanced_accuracy
    return (rate - prior(2)) / (accuracy - prior(2))


def _percent(rate: float, digits: int = 1) -> str:
    return f"{100 * rate:.{digits}f} %"
