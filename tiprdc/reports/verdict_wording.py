"""Sentences about a verdict, the same on the page, in the model card and in the terminal.

An attack gives a lower bound on leakage. So no sentence here claims that something is private or
anonymous: each states what was tried, its result, on how many people, and the limit.
"""

from __future__ import annotations

from collections.abc import Iterable

from tiprdc.formats.audit_report import AttributeReport, AuditReport
from tiprdc.formats.numbers import count, percent
from tiprdc.reports.bounds_wording import about, fitted_on, limit_falls
from tiprdc.reports.wording import attack_name, confidence, listing, readable


def exposed(attribute: AttributeReport) -> bool:
    """Whether the strongest attack's lower bound exceeds the limit."""
    return attribute.strongest is not None and attribute.strongest.low > attribute.limit


def headline(audit: AuditReport) -> str:
    """The verdict in one sentence, without the word of the verdict."""
    attributes = audit.attributes
    more = f"{count(audit.policy.attacker_people)} people"
    if audit.verdict == "PASS":
        if all(map(certified, attributes.values())):
            return f"No attacker on one record's code exceeds the limit on {_subject(attributes)}"
        return f"Attacks on {_subject(attributes)} stay within the limit, projected to {more}"
    if audit.verdict == "INCONCLUSIVE":
        unsettled = [name for name, a in attributes.items() if a.verdict == "INCONCLUSIVE"]
        rising = {n: people for n in unsettled if (people := limit_falls(attributes[n]))}
        if rising:
            return (
                f"Still rising: an attacker with about {about(min(rising.values()))} people would"
                f" pass the limit on {_subject(rising)}"
            )
        return f"The evidence does not settle {_subject(unsettled or attributes)}"
    recognised = [name for name, a in attributes.items() if exposed(a)]
    if recognised:
        return f"An attack recognises {_subject(recognised)} from the features"
    recognised = [name for name, a in attributes.items() if projected_exposed(a)]
    if recognised:
        return f"An attacker with {more} would recognise {_subject(recognised)} from the features"
    return "The audit's own checks did not hold"


def certified(attribute: AttributeReport) -> bool:
    """Whether a certificate is within the limit."""
    return attribute.certificate is not None and attribute.certificate.bound <= attribute.limit


def projected_exposed(attribute: AttributeReport) -> bool:
    """Whether a curve's projected lower bound exceeds the limit."""
    return any(curve.projection.low > attribute.limit for curve in attribute.curves)


def _subject(names: Iterable[str]) -> str:
    words = [readable(name) for name in names]
    return f"{len(words)} private attributes" if len(words) > 3 else listing(words)


def claim(name: str, attribute: AttributeReport, audit: AuditReport) -> str:
    """The result on one private attribute: its interval, its baseline, its limit."""
    subject, strongest = readable(name), attribute.strongest
    if strongest is None:
        return f"No attack on {subject} finished, so nothing can be said about it."
    best, people = percent(strongest.balanced_accuracy), count(attribute.people)
    fitted = fitted_on(strongest.attacker_people, strongest.pool)
    attack = attack_name(strongest.attack) + (f", fitted on {fitted}" if fitted else "")
    if exposed(attribute):
        result = (
            f"The strongest attack, {attack}, recognised {subject} at {best}"
            f" balanced accuracy ({confidence(audit)} lower bound {percent(strongest.low)})"
            f" on {people} people."
        )
    else:
        result = (
            f"No attack of suite {audit.suite_version} exceeded {percent(strongest.high)} on"
            f" {subject} ({confidence(audit)} upper bound) on {people} people. The strongest,"
            f" {attack}, reached {best} balanced accuracy."
        )
    reference = (
        f" A guess without the features gets {percent(attribute.prior)};"
        f" the policy allows an upper bound of {percent(attribute.limit)}."
    )
    return result + reference
