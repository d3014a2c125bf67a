"""The short `metrics.json` of an audit, for `dvc metrics show`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tiprdc.formats.audit_report import AuditReport, Estimate, TaskReport


def mean_loss(utility: dict[str, TaskReport]) -> float | None:
    """Mean loss over these tasks; None if one could not be measured, or there is none."""
    return complete_mean([task.loss for task in utility.values()])


def mean_kept(utility: dict[str, TaskReport]) -> float | None:
    """Mean of what these tasks keep; None if it is not known of one, or there is none."""
    return complete_mean([task.kept for task in utility.values()])


def complete_mean(values: Sequence[float | None]) -> float | None:
    """Mean of figures; None if one is not known, or there is none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def metrics(report: AuditReport) -> dict[str, Any]:
    """The figures that `dvc metrics show` compares between commits, to 4 digits; no timings."""

    def short(estimate: Estimate | None) -> float | None:
        return None if estimate is None else round(estimate.balanced_accuracy, 4)

    return {
        "verdict": report.verdict,
        "attributes": {
            name: {
                "verdict": a.verdict,
                "strongest": short(a.strongest),
                "upper_bound": None if a.strongest is None else round(a.strongest.high, 4),
                "attacker_people": None if a.strongest is None else a.strongest.attacker_people,
                "projected_upper_bound": round(a.curves[0].projection.high, 4)
                if a.curves
                else None,
                "certificate": round(a.certificate.bound, 4) if a.certificate else None,
                "limit": round(a.limit, 4),
                "prior": round(a.prior, 4),
                "floor": None if a.floor is None else round(a.floor, 4),
                "ceiling": None if a.ceiling is None else round(a.ceiling, 4),
                "unprotected": short(a.controls.unprotected),
            }
            for name, a in report.attributes.items()
        },
        "utility": {
            name: {
                "released": short(t.released),
                "unprotected": short(t.unprotected),
                "ceiling": short(t.ceiling),
                "kept": None if t.kept is None else round(t.kept, 4),
            }
            for name, t in report.utility.items()
        },
        "mean_kept_told": None
        if report.mean_kept_told is None
        else round(report.mean_kept_told, 4),
        "mean_kept": None if report.mean_kept is None else round(report.mean_kept, 4),
        "mean_utility_loss": None
        if report.mean_utility_loss is None
        else round(report.mean_utility_loss, 4),
    }
