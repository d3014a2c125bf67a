"""What `audit.json` says beyond the audit's own attackers: learning curves, certificates."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from tiprdc.formats.audit_plan import Pool
from tiprdc.formats.decoding import Count, Positive, Rate


class CurvePoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An attack fitted on a part of its records: balanced accuracy on attacker-test, with bounds \
as in Estimate."""

    people: Annotated[Positive, Meta(description="Records that it was fitted on.")]
    balanced_accuracy: Rate
    low: Rate
    high: Rate


class Projection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a curve says of an attacker with more people, each bound one-sided at the policy's \
confidence."""

    people: Annotated[Positive, Meta(description="The attacker's people: policy.attacker_people.")]
    value: Rate
    low: Rate
    high: Rate
    people_at_limit: Annotated[
        Positive | None,
        Meta(description="People at which the curve crosses the limit; null where it does not."),
    ]


class Curve(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The learning curve of one attack on the released features: n/8, n/4, n/2 and n records."""

    attack: str
    pool: Pool
    seed: Count
    points: Annotated[tuple[CurvePoint, ...], Meta(min_length=1)]
    patterns: Annotated[
        tuple[Count, ...],
        Meta(
            description="Number of test people by who recognised them: bit i of the index is set"
            " where the attack of points[i] was right. Bounds follow from these counts."
        ),
    ]
    projection: Projection

    def limit_people(self, limit: float) -> int | None:
        """People of the smallest attacker who passes a limit, None if there is none: where the \
fitted curve crosses it, but no more than those of a last point that was measured above it."""
        last, crossing = self.points[-1], self.projection.people_at_limit
        if last.balanced_accuracy > limit:
            return min(last.people, crossing or last.people)
        return crossing


class Certificate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An upper bound on the balanced accuracy of every attacker on one record's code, whatever \
the attack: it holds for features that take few values."""

    cells: Annotated[Positive, Meta(description="Values that the code takes on these people.")]
    counts: Annotated[
        tuple[tuple[Count, ...], ...],
        Meta(description="People of each class [C] in each cell [K]."),
    ]
    in_sample: Annotated[Rate, Meta(description="Balanced accuracy of the best look-up table.")]
    slack: Annotated[float, Meta(ge=0, description="What the theorem adds.")]
    bound: Annotated[Rate, Meta(description="min(1, in_sample + slack).")]
    delta: Annotated[Rate, Meta(description="Chance that the bound does not hold.")]
    theorem: str
    border: Annotated[
        Rate | None,
        Meta(
            description="Share of records whose code changed when the file was run without"
            " graph optimisations; null where that was not tried."
        ),
    ]
    note: Annotated[str, Meta(description="A caution about this certificate, or nothing.")]
