"""Sentences about what unseen tasks keep, and about trivial alternatives that keep more or less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tiprdc.formats.audit_report import Alternative, AuditReport, TaskReport
from tiprdc.formats.numbers import MINUS, points
from tiprdc.reports.wording import DASH

_METHODS = {
    "release": "This release",
    "pca": "Principal components with noise",
    "leace": "Principal components with noise, after linear erasure (LEACE)",
}
_SHORT = {"release": "This release", "pca": "PCA + noise", "leace": "PCA + LEACE + noise"}


def share(kept: float | None) -> str:
    """A kept share: `88.1 %`, with a true minus sign if the task does worse than a guess."""
    return (
        DASH if kept is None else f"{100 * kept:.1f} %".replace("-0.0", "0.0").replace("-", MINUS)
    )


def unseen(audit: AuditReport) -> dict[str, TaskReport]:
    """The tasks that training did not know."""
    return {name: task for name, task in audit.utility.items() if name not in audit.plan.told}


def kind(name: str, audit: AuditReport) -> str:
    """`told task` if training used its labels, else `unseen task`."""
    return "told task" if name in audit.plan.told else "unseen task"


def told(audit: AuditReport) -> str:
    """The mean of what told tasks keep; empty where there are none."""
    if not audit.plan.told:
        return ""
    names = ", ".join(audit.plan.told)
    if audit.mean_kept_told is None:
        return f"What told tasks ({names}) keep is not known"
    kept = share(audit.mean_kept_told)
    return f"Told tasks ({names}), whose labels training used, keep {kept}"


def kept(audit: AuditReport) -> str:
    """The mean of what unseen tasks keep."""
    if not unseen(audit):
        return "No unseen task was measured"
    if audit.mean_kept is None:
        return "What unseen tasks keep is not known: not all could be compared with the raw record"
    return f"Unseen tasks keep {share(audit.mean_kept)} of what the raw record tells"


def utility_loss(audit: AuditReport) -> str:
    """The mean loss of the unseen tasks, in points."""
    loss = audit.mean_utility_loss
    if not unseen(audit):
        return "No unseen task was measured"
    if loss is None and not any(task.unprotected for task in unseen(audit).values()):
        return "What unseen tasks lose is not known: there is no unprotected extractor"
    if loss is None:
        return "Not every unseen task could be measured"
    if round(100 * loss, 1) <= 0:
        return (
            "Against the unprotected extractor, unseen tasks lose nothing on average"
            f" ({points(loss)} points)"
        )
    return f"Against the unprotected extractor, unseen tasks lose {points(loss)} points on average"


def method_name(alternative: Alternative) -> str:
    """`Principal components with noise`."""
    return _METHODS[alternative.method]


def short_method(alternative: Alternative) -> str:
    """`PCA + noise`."""
    return _SHORT[alternative.method]


def method_size(alternative: Alternative) -> str:
    """Width and noise: `128 numbers, noise of 1.9 standard deviations`."""
    noise = f", noise of {alternative.noise:.3g} standard deviations" if alternative.noise else ""
    return f"{alternative.width} numbers{noise}"


def comparison(alternatives: Sequence[Alternative]) -> str:
    """Who keeps more at the same attack, the release or the best alternative to it."""
    rest = [a for a in alternatives if a.method != "release" and a.mean_kept is not None]
    ours = next((a.mean_kept for a in alternatives if a.method == "release"), None)
    if ours is None or not rest:
        return "The release and its alternatives could not be compared"
    best = max(rest, key=lambda a: a.mean_kept or 0.0)
    theirs = best.mean_kept or 0.0
    difference = round(100 * (ours - theirs), 1)
    name = _METHODS[best.method][0].lower() + _METHODS[best.method][1:]
    figures = f"{share(ours)} against {share(theirs)} for {name}"
    if difference > 0:
        return f"The release keeps {points(ours - theirs)} points more than the best: {figures}"
    if difference < 0:
        return f"The release keeps {points(theirs - ours)} points less than the best: {figures}"
    return f"The release keeps no more than the best: {figures}"


def attack_on(hidden: Mapping[str, float]) -> float:
    """The attack on the attribute that is recognised best, 0 to 1."""
    return max(hidden.values(), default=0.0)
