"""Sentences about figures beside the verdict: who is recognised best, what finds a person again."""

from __future__ import annotations

from collections.abc import Iterator

from tiprdc.formats.audit_report import AuditReport, Measure
from tiprdc.formats.numbers import count, percent
from tiprdc.reports.wording import DASH, readable

EXPLAINED = {
    "worst_people": "Accuracy among the people of whom the strongest attack is most sure, and"
    " balanced accuracy in subgroups. An average hides people for whom features hide less.",
    "linkability": "Whether two records of one person are found by their features.",
    "membership": "Whether an attacker can tell who was in extractor-train. The AUC is the share of"
    " pairs of a member and another person in which the member is named.",
    "reconstruction": "A decoder rebuilds a record from its features; which of 100 records is most"
    " alike? Somebody who holds records finds people again in this way, whatever attribute is"
    " hidden.",
}
"""Family -> what its figures are."""


def value(measure: Measure) -> str:
    """`83.4 %`."""
    return percent(measure.value)


def bounds(measure: Measure) -> str:
    """`79.6 to 86.8 %`; a dash where there are none."""
    if measure.low is None or measure.high is None:
        return DASH
    return f"{100 * measure.low:.1f} to {percent(measure.high)}"


def alarms(audit: AuditReport) -> Iterator[str]:
    """One sentence for each private attribute or family in which somebody is exposed.

    Of several figures on the release that are surely better than a guess, the one furthest from it
    is named. Subgroups are no alarm: they differ little from the headline.
    """
    for family, sentence in _SENTENCES.items():
        figures = [m for m in audit.measures.get(family, ()) if _surely_above(m)]
        for about in dict.fromkeys(measure.about for measure in figures):
            same = [m for m in figures if m.about == about and _has_sentence(family, m)]
            if same:
                yield sentence(max(same, key=lambda m: m.value))


_PREFIX = {"worst_people": "accuracy among the", "linkability": "rank 1", "membership": "AUC"}
"""Family -> how the figures begin that have a sentence."""


def _surely_above(measure: Measure) -> bool:
    released = measure.representation == "released"
    above = measure.low is not None and measure.baseline is not None
    return released and above and (measure.low or 0.0) > (measure.baseline or 0.0)


def _has_sentence(family: str, measure: Measure) -> bool:
    prefix = {
        "worst_people": "accuracy among the",
        "linkability": "rank 1",
        "membership": "AUC",
    }.get(family, "")
    return measure.name.startswith(prefix)


def _surest(measure: Measure) -> str:
    share = measure.name.removeprefix("accuracy among the ").partition("%")[0]
    return (
        f"Some people are recognised better than the average: among the {share} % of whom the"
        f" attacker is most sure ({count(measure.people)} people), {readable(measure.about)} is"
        f" guessed right for {_figures(measure)}."
    )


def _rank(measure: Measure) -> str:
    return (
        f"Two records of one person can be joined: the right one of {count(measure.people)} people"
        f" is nearest for {_figures(measure)}."
    )


def _member(measure: Measure) -> str:
    return (
        f"Who was in the training set shows in the features: {measure.name} is {_figures(measure)}."
    )


def _retrieved(measure: Measure) -> str:
    return (
        "Somebody who holds records finds people again: of 100 records, a decoder of the features"
        f" picks the true one for {_figures(measure)}. The verdict is about the named attribute"
        " alone."
    )


def _figures(measure: Measure) -> str:
    guess = percent(measure.baseline or 0.0)
    return f"{value(measure)} (bounds {bounds(measure)}; a guess gets {guess})"


_SENTENCES = {
    "worst_people": _surest,
    "linkability": _rank,
    "membership": _member,
    "reconstruction": _retrieved,
}
