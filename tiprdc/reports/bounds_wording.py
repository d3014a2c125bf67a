"""Sentences about more people than an audit has, and about every attacker: curves, certificates."""

from __future__ import annotations

from collections.abc import Iterator

from tiprdc.formats.audit_bounds import Certificate, Curve
from tiprdc.formats.audit_plan import Pool
from tiprdc.formats.audit_report import AttributeReport
from tiprdc.formats.numbers import count, percent, points
from tiprdc.reports.wording import readable

_POOLS: dict[Pool, str] = {
    "fresh": "{} people",
    "all": "{} people, the extractor's training people among them",
    "views": "{} records: people, the extractor's training people among them, and changed copies",
}


def fitted_on(people: int | None, pool: Pool | None) -> str:
    """Size and kind of what an attack was fitted on: `4,000 people`; empty if on nothing."""
    return "" if people is None or pool is None else _POOLS[pool].format(count(people))


def about(number: int) -> str:
    """A number to two digits: `21348` -> `21,000`."""
    return count(round(number, 2 - len(str(number))))


def whole(rate: float) -> str:
    """A round rate without needless digits: `0.6` -> `60 %`."""
    return f"{100 * rate:.4g} %"


def limit_falls(attribute: AttributeReport) -> int | None:
    """People of the smallest attacker who passes the limit by the first curve, up to the policy's \
number; None if there is none."""
    if not attribute.curves:
        return None
    curve = attribute.curves[0]
    people = curve.limit_people(attribute.limit)
    return people if people is not None and people <= curve.projection.people else None


def projection(name: str, attribute: AttributeReport) -> str:
    """What an attacker with the policy's number of people would get, in one sentence."""
    if not attribute.curves:
        return (
            f"There is no learning curve for {readable(name)}, so nothing is known of an attacker"
            " with more people."
        )
    curve = attribute.curves[0]
    last, ahead, limit = curve.points[-1], curve.projection, whole(attribute.limit)
    crossing, people = curve.limit_people(attribute.limit), count(ahead.people)
    expected = f"{percent(ahead.value)} is expected, with bounds of {_bounds(curve)}"
    if crossing is not None and crossing < last.people:
        return (
            f"The limit of {limit} falls at about {about(crossing)} people, fewer than this audit's"
            f" attackers have. With {people} people, {expected}."
        )
    if crossing == last.people:
        return (
            f"{count(last.people)} people are enough to pass the limit of {limit}. With {people}"
            f" people, {expected}."
        )
    if crossing is not None and crossing <= ahead.people:
        return (
            f"Still rising: an attacker with about {about(crossing)} people would pass {limit}."
            f" With {people} people, {expected}."
        )
    later = f" The curve crosses the limit at about {about(crossing)} people." if crossing else ""
    if ahead.high > attribute.limit:
        return f"An attacker with {people} people may pass {limit}: {expected}.{later}"
    return f"An attacker with {people} people would stay within {limit}: {expected}.{later}"


def _bounds(curve: Curve) -> str:
    return f"{100 * curve.projection.low:.1f} to {percent(curve.projection.high)}"


def certificate_people(certificate: Certificate) -> int:
    """People that were counted."""
    return sum(map(sum, certificate.counts))


def certificate(name: str, found: Certificate) -> str:
    """The bound on every attacker, as a sentence to sign."""
    return (
        f"Whatever the attacker does, on one record's code its balanced accuracy for"
        f" {readable(name)} is at most {percent(found.bound)}, with {whole(1 - found.delta)}"
        f" confidence, for people such as these {count(certificate_people(found))}."
    )


def gap(attribute: AttributeReport) -> str:
    """The distance between the certificate and the strongest attack."""
    bound, strongest = attribute.certificate, attribute.strongest
    if bound is None or strongest is None:
        return ""
    best, distance = strongest.balanced_accuracy, bound.bound - strongest.balanced_accuracy
    if distance < 0:
        return (
            f"The strongest attack, {percent(best)}, lies above this bound: one of the two is"
            " wrong, or met by chance."
        )
    return (
        f"The strongest attack that was tried reaches {percent(best)}. The truth for the best"
        f" attacker lies between the two, {points(distance)} points apart."
    )


def not_covered(found: Certificate) -> Iterator[str]:
    """What a certificate says nothing about."""
    yield "other populations than the one that these people were drawn from"
    yield "several codes of one person"
    yield "side information: whatever else the attacker knows of a person"
    yield "other attributes"
    if found.border is None:
        yield (
            "records near a cell's border, whose code may change on another processor: their share"
            " was not measured"
        )
    else:
        yield (
            "records near a cell's border: on another processor"
            f" {percent(found.border, 2)} of them may get another code"
        )
