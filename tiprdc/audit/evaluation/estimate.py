"""An estimate from counts of a balanced sample, with its exact bounds."""

from __future__ import annotations

from tiprdc.formats.audit_report import Estimate
from tiprdc.statistics.binomial import interval
from tiprdc.statistics.scores import kept_share


def estimate_from_counts(
    attack: str, correct: int, people: int, confidence: float, select: float | None = None
) -> Estimate:
    """Balanced accuracy on attacker-test.

    Args:
        attack: Name of the attack.
        correct: People recognised, 0 to `people`.
        people: People of the balanced sample, >= 1.
        confidence: Of each one-sided bound, in (0, 1).
        select: Balanced accuracy on attacker-select that chose the attack; None if nothing did.
    """
    bounds = interval(correct, people, confidence)
    return Estimate(
        attack=attack,
        balanced_accuracy=bounds.value,
        low=bounds.low,
        high=bounds.high,
        correct=correct,
        people=people,
        select=select,
        pool=None,
        attacker_people=None,
    )


def kept(released: Estimate | None, ceiling: Estimate | None, prior: float) -> float | None:
    """Share of what the raw record tells of a task that released features still tell.

    Args:
        released: The strongest probe on released features.
        ceiling: The strongest probe on the raw record.
        prior: Balanced accuracy of a guess.

    Returns:
        (released - prior) / (ceiling - prior), as NAG in Chen et al. (arXiv 2506.07308); None where
        one is missing, or the raw record does not tell the task: its lower bound is not above the
        prior.
    """
    if released is None or ceiling is None or not ceiling.low > prior:
        return None
    return kept_share(released.balanced_accuracy, ceiling.balanced_accuracy, prior)
