"""Rows and cells of the page's charts of attacks: numbers in; the templates draw them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tiprdc.formats.audit_plan import REPRESENTATIONS
from tiprdc.formats.audit_report import Alternative, AttributeReport, Estimate, TaskReport
from tiprdc.formats.numbers import count
from tiprdc.reports.axis import Axis
from tiprdc.reports.bounds_wording import fitted_on


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One row of a private attribute's chart: a balanced accuracy, 0 to 1, with its bounds, the \
attack, and what that was fitted on."""

    kind: str
    label: str
    rate: float
    low: float | None = None
    high: float | None = None
    attack: str = ""
    fitted: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One attack on one representation, on attacker-select.

    Args:
        best: Highest balanced accuracy over its seeds, 0 to 1; None if every run failed.
        weight: Share of the possible advantage over the prior, 0 to 1, that colours the cell.
        seeds, failed: Number of runs, and of failed ones.
        chosen: Whether this attack was used on attacker-test.
    """

    best: float | None
    weight: float
    seeds: int
    failed: int
    chosen: bool


def attribute_axis(attribute: AttributeReport) -> Axis:
    """An axis that shows everything measured about an attribute, down to a whole tenth."""
    return _axis([mark.rate if mark.low is None else mark.low for mark in marks(attribute)])


def task_axis(tasks: Collection[TaskReport]) -> Axis:
    """One axis for all unseen tasks, so that they can be compared."""
    measured = [e.low for t in tasks for e in (t.released, t.unprotected, t.ceiling) if e]
    return _axis([*measured, *(task.prior for task in tasks)])


def kept_axis(alternatives: Iterable[Alternative]) -> Axis:
    """From nothing, or the least share that is kept, to everything, or the greatest one."""
    shares = [a.mean_kept for a in alternatives if a.mean_kept is not None]
    return Axis(min([0.0, *shares]), max([1.0, *shares]))


def _axis(rates: Sequence[float]) -> Axis:
    lowest = min(rates, default=0.5)
    return Axis(min(0.9, max(0.0, math.floor((lowest - 0.02) * 10) / 10)), 1.0)


def marks(attribute: AttributeReport) -> list[Mark]:
    """The rows of an attribute's chart: reference values first, then what was measured."""
    rows = [Mark(kind="prior", label="A guess without the features (prior)", rate=attribute.prior)]
    if attribute.floor is not None:
        label = "A guess from the utility labels alone (label floor)"
        rows.append(Mark(kind="floor", label=label, rate=attribute.floor))
    rows.append(Mark(kind="limit", label="Limit of the policy", rate=attribute.limit))
    controls = attribute.controls
    measured = [
        ("released", "Strongest attack on this release", attribute.strongest),
        ("unprotected", "Strongest on unprotected features", controls.unprotected),
        ("raw", "Strongest on the raw record (ceiling)", controls.raw),
        ("shuffled", "Control: shuffled labels", controls.shuffled),
    ]
    tried = [_mark(kind, label, estimate) for kind, label, estimate in measured if estimate]
    first = 1 if attribute.strongest else 0
    return rows + tried[:first] + _bounds(attribute) + tried[first:]


def _bounds(attribute: AttributeReport) -> list[Mark]:
    """Rows about attackers that were not tried: one with more people, and every one."""
    rows = []
    if attribute.curves:
        curve = attribute.curves[0]
        ahead = curve.projection
        rows.append(
            Mark(
                kind="projected", label=f"Projected to {count(ahead.people)} people",
                rate=ahead.value, low=ahead.low, high=ahead.high, attack=curve.attack,
            )
        )  # fmt: skip
    if attribute.certificate:
        label = "Bound on every attacker (certificate)"
        rows.append(Mark(kind="certificate", label=label, rate=attribute.certificate.bound))
    return rows


def _mark(kind: str, label: str, estimate: Estimate) -> Mark:
    return Mark(
        kind=kind,
        label=label,
        rate=estimate.balanced_accuracy,
        low=estimate.low,
        high=estimate.high,
        attack=estimate.attack,
        fitted=fitted_on(estimate.attacker_people, estimate.pool),
    )


def attack_table(attribute: AttributeReport) -> dict[str, dict[str, Cell]]:
    """Attack -> representation -> its result on attacker-select."""
    controls = attribute.controls
    estimates = {
        "released": attribute.strongest,
        "unprotected": controls.unprotected,
        "raw": controls.raw,
        "shuffled": controls.shuffled,
    }
    chosen = {name: estimate.attack for name, estimate in estimates.items() if estimate}
    table: dict[str, dict[str, Cell]] = {}
    for attack in dict.fromkeys(run.attack for run in attribute.attacks):
        table[attack] = {}
        for representation in REPRESENTATIONS:
            runs = [
                run
                for run in attribute.attacks
                if (run.attack, run.representation) == (attack, representation)
            ]
            rates = [run.select for run in runs if run.status == "ok" and run.select is not None]
            if runs:
                table[attack][representation] = Cell(
                    best=max(rates, default=None),
                    weight=_weight(max(rates, default=0.0), attribute.prior),
                    seeds=len(runs),
                    failed=len(runs) - len(rates),
                    chosen=chosen.get(representation) == attack,
                )
    return table


def _weight(rate: float, prior: float) -> float:
    """Share of the possible advantage over the prior, 0 to 1."""
    return round(min(1.0, max(0.0, (rate - prior) / (1 - prior))), 3)
