"""Sentences about an audit, the same on the page, in the model card and in the terminal.

An attack gives a lower bound on leakage. So no sentence here claims that something is private or
anonymous: each states what was tried, its result, on how many people, and the limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tiprdc.formats.audit_report import AttributeReport, AuditReport, Estimate
from tiprdc.formats.manifest import Contract
from tiprdc.formats.numbers import MINUS, count, percent, points

DASH = "\N{EN DASH}"
"""Between two numbers, or where there is none."""


def interval(estimate: Estimate) -> str:
    """The bounds of an estimate: `52.0 to 56.1 %`."""
    return f"{100 * estimate.low:.1f} to {percent(estimate.high)}"


def confidence(audit: AuditReport) -> str:
    """The confidence of each one-sided bound: `95 %`."""
    return f"{100 * audit.policy.confidence:g} %"


def readable(name: str) -> str:
    """A column's name as words: `skin_tone` -> `skin tone`."""
    return name.replace("_", " ").strip() or name


def attack_name(name: str) -> str:
    """An attack's name as words: `gradient_boosting` -> `gradient boosting`, `mlp` -> `MLP`."""
    return name.upper() if len(name) <= 3 else readable(name)


def listing(names: Sequence[str]) -> str:
    """`a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def exposed(attribute: AttributeReport) -> bool:
    """Whether the strongest attack's lower bound exceeds the limit."""
    return attribute.strongest is not None and attribute.strongest.low > attribute.limit


def headline(audit: AuditReport) -> str:
    """The verdict in one sentence, without the word of the verdict."""
    attributes = audit.attributes
    if audit.verdict == "PASS":
        return f"The strongest attack on {_subject(attributes)} stayed within the limit"
    if audit.verdict == "INCONCLUSIVE":
        unsettled = [name for name, a in attributes.items() if a.verdict == "INCONCLUSIVE"]
        return f"The evidence does not settle {_subject(unsettled or attributes)}"
    recognised = [name for name, a in attributes.items() if exposed(a)]
    if recognised:
        return f"An attack recognises {_subject(recognised)} from the features"
    return "The audit's own checks did not hold"


def _subject(names: Iterable[str]) -> str:
    words = [readable(name) for name in names]
    return f"{len(words)} private attributes" if len(words) > 3 else listing(words)


def claim(name: str, attribute: AttributeReport, audit: AuditReport) -> str:
    """The result on one private attribute: its interval, its baseline, its limit."""
    subject, strongest = readable(name), attribute.strongest
    if strongest is None:
        return f"No attack on {subject} finished, so nothing can be said about it."
    best, people = percent(strongest.balanced_accuracy), count(attribute.people)
    attack = attack_name(strongest.attack)
    if exposed(attribute):
        result = (
            f"The strongest attack, {attack}, recognised {subject} at {best}"
            f" balanced accuracy ({confidence(audit)} lower bound {percent(strongest.low)})"
            f" on {people} people."
        )
    else:
        result = (
            f"No attack of suite {audit.suite_version} exceeded {percent(strongest.high)} on"
            f" {subject} ({confidence(audit)} upper bound) on {people} people. With this budget,"
            f" the strongest, {attack}, reached {best} balanced accuracy."
        )
    reference = (
        f" A guess without the features gets {percent(attribute.prior)};"
        f" the policy allows an upper bound of {percent(attribute.limit)}."
    )
    return result + reference


def channel(contract: Contract) -> str:
    """What happens to features before they leave the device."""
    steps, output = [], contract.output
    if output.clip:
        steps.append(f"squashed into {MINUS}{output.clip:g} to {output.clip:g}")
    if output.noise:
        steps.append(f"with Gaussian noise of {output.noise:g}, drawn anew at every run")
    if output.bits:
        steps.append(f"rounded to {count(2**output.bits)} levels ({output.bits} bits)")
    return f"each feature is {listing(steps)}" if steps else "features as they are"


def variant(contract: Contract) -> str:
    """The model that a variant was made of, and the difference of their features."""
    made = contract.variant
    assert made is not None
    return (
        f"{made.name} of model {made.of[:12]}: features differ from that model's by"
        f" {made.mean_abs:.2g} on average and {made.max_abs:.2g} at most, on"
        f" {count(made.records)} records"
    )


def information_bound(contract: Contract) -> str:
    """The upper bound on the information in one record's features, compared with each attribute."""
    bound = contract.most_bits.record
    if bound is None:
        return (
            "No upper bound on what features reveal of a record is known: it needs noise or levels"
            " on bounded features (train.extractor)."
        )
    text = f"Features of one record, released once, reveal at most {bound:.4g} bits about anything."
    if contract.output.noise:
        text += " Where it comes from noise, the bound holds for noise that nobody can predict."
    for name, bits in contract.most_bits.private.items():
        below = bound < bits
        comparison = "less than all of" if below else "no less than all of"
        caveat = "" if below else ": only attacks decide"
        text += f" That is {comparison} {readable(name)} (log2 of its classes: {bits:.4g}){caveat}."
    return text


def reuse(audit: AuditReport) -> str:
    """How often the test people were attacked so far, and its effect on the bounds."""
    if audit.reuse is None:
        return "It was not counted how often these test people were attacked before."
    plans, models = audit.reuse.plans, audit.reuse.models
    if plans == 1:
        return "By the ledger, these test people were attacked for the first time."
    return (
        f"These test people were attacked by {count(plans)} different plans so far, on"
        f" {count(models)} {'model' if models == 1 else 'models'}. Choosing among models by such"
        " audits makes the bounds of the chosen model too good: fresh people are better."
    )


def utility_loss(audit: AuditReport) -> str:
    """The mean loss of the unseen tasks, in points."""
    loss = audit.mean_utility_loss
    if not audit.utility:
        return "No unseen task was measured"
    if loss is None and not any(task.unprotected for task in audit.utility.values()):
        return "What unseen tasks lose is not known: there is no unprotected extractor"
    if loss is None:
        return "Not every unseen task could be measured"
    if round(100 * loss, 1) <= 0:
        return f"Unseen tasks lose nothing on average ({points(loss)} points)"
    return f"Unseen tasks lose {points(loss)} points on average"
