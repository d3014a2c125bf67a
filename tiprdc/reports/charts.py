"""Rows and cells of the page's charts of attacks: numbers in; the templates draw them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tiprdc.formats.audit_plan import REPRESENTATIONS
from tiprdc.formats.audit_report import AttributeReport, Estimate, TaskReport
from tiprdc.reports.axis import Axis


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One row of a private attribute's chart: a balanced accuracy, 0 to 1, with its bounds."""

    kind: str
    label: str
    rate: float
    low: float | None = None
    high: float | None = None
    attack: str = ""


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


def task_axis(tasks: Iterable[TaskReport]) -> Axis:
    """One axis for all unseen tasks, so that they can be compared."""
    estimates = [e for t in tasks for e in (t.released, t.unprotected, t.ceiling) if e]
    return _axis([e.low for e in estimates])


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
    rows += [_mark(kind, label, estimate) for kind, label, estimate in measured if estimate]
    return rows


def _mark(kind: str, label: str, estimate: Estimate) -> Mark:
    return Mark(
        kind=kind,
        label=label,
        rate=estimate.balanced_accuracy,
        low=estimate.low,
        high=estimate.high,
        attack=estimate.attack,
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
