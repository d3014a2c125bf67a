"""The plain sentences of a verdict, the same on the page, in the model card and in the terminal.

An attack gives a lower bound on leakage. So no sentence here says that something is private or
anonymous: each says what was tried, how well it did, on how many people, and against which limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from tiprdc.formats.audit_report import Audit, Estimate, PrivateAttribute
from tiprdc.formats.manifest import Contract

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
"""Between two numbers, or where there is none."""


def percent(rate: float) -> str:
    """`0.5417` -> `54.2 %`."""
    return f"{100 * rate:.1f} %"


def interval(estimate: Estimate) -> str:
    """The bounds of an estimate: `52.0 to 56.1 %`."""
    return f"{100 * estimate.low:.1f} to {percent(estimate.high)}"


def points(loss: float) -> str:
    """A difference of two rates in percentage points: `0.6`, with a true minus sign if negative."""
    return f"{100 * loss:.1f}".replace("-0.0", "0.0").replace("-", MINUS)


def sure(audit: Audit) -> str:
    """The confidence of each one-sided bound: `95 %`."""
    return f"{100 * audit.confidence:g} %"


def count(number: int) -> str:
    """`1984` -> `1,984`."""
    return f"{number:,}"


def human(name: str) -> str:
    """A column's name as a reader says it: `skin_tone` -> `skin tone`."""
    return name.replace("_", " ").strip() or name


def attacker(name: str) -> str:
    """An attack as a reader says it: `gradient_boosting` -> `gradient boosting`, `mlp` -> `MLP`."""
    return name.upper() if len(name) <= 3 else human(name)


def listing(names: Sequence[str]) -> str:
    """`a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def exposed(attribute: PrivateAttribute) -> bool:
    """Whether the strongest attack's lower bound exceeds the limit."""
    return attribute.strongest is not None and attribute.strongest.low > attribute.limit


def headline(audit: Audit) -> str:
    """The verdict's one sentence, without the word of the verdict."""
    if audit.verdict == "PASS":
        return f"The strongest attack on {_subject(audit.attributes)} stayed within the limit"
    if audit.verdict == "INCONCLUSIVE":
        open_ones = [a for a in audit.attributes if a.verdict == "INCONCLUSIVE"]
        return f"The evidence does not settle {_subject(open_ones or audit.attributes)}"
    found = [a for a in audit.attributes if exposed(a)]
    if found:
        return f"An attack recognises {_subject(found)} from the features"
    return "The audit's own checks did not hold"


def _subject(attributes: Sequence[PrivateAttribute]) -> str:
    if len(attributes) > 3:
        return f"{len(attributes)} private attributes"
    return listing([human(a.name) for a in attributes])


def claim(attribute: PrivateAttribute, audit: Audit) -> str:
    """What may be said about one private attribute: its baseline, its interval, its limit."""
    name, strongest = human(attribute.name), attribute.strongest
    if strongest is None:
        return f"No attack on {name} finished, so nothing can be said about it."
    best, people = percent(strongest.balanced_accuracy), count(attribute.people)
    if exposed(attribute):
        said = (
            f"The strongest attack, {attacker(strongest.attack)}, recognised {name} at {best}"
            f" balanced accuracy ({sure(audit)} lower bound {percent(strongest.low)})"
            f" on {people} people."
        )
    else:
        said = (
            f"No attack of suite v{audit.suite_version}, with this budget, did better than"
            f" {best} on {name} ({sure(audit)} upper bound {percent(strongest.high)}) on {people}"
            " people."
        )
    against = (
        f" A guess without the features gets {percent(attribute.prior)};"
        f" the policy allows an upper bound of {percent(attribute.limit)}."
    )
    return said + against


def sent(contract: Contract) -> str:
    """What happens to features before they leave the device."""
    steps = []
    if contract.clip:
        steps.append(f"squashed into {MINUS}{contract.clip:g} to {contract.clip:g}")
    if contract.noise:
        steps.append(f"with Gaussian noise of {contract.noise:g}, drawn anew at every run")
    if contract.bits:
        steps.append(f"rounded to {count(2**contract.bits)} levels ({contract.bits} bits)")
    return f"each feature is {listing(steps)}" if steps else "features as they are"


def variant(contract: Contract) -> str:
    """What a variant is of, and how far its features are from that file's."""
    made = contract.variant
    assert made is not None
    return (
        f"{made.name} of model {made.of[:12]}: features differ from that model's by"
        f" {made.mean_abs:.2g} on average and {made.max_abs:.2g} at most, on"
        f" {count(made.records)} records"
    )


def most(contract: Contract) -> str:
    """The upper bound on what one record's features tell, and what it is worth."""
    if contract.most_bits is None:
        return (
            "No upper bound on what features tell of a record is known: it takes noise or levels on"
            " bounded features (train.extractor)."
        )
    said = (
        f"Features of one record, released once, tell at most {contract.most_bits:.4g} bits about"
        " anything."
    )
    if contract.noise:
        said += " So far as it comes from noise, the bound takes noise that nobody can predict."
    for name, bits in contract.attribute_bits.items():
        below = contract.most_bits < bits
        worth = "less than all of" if below else "no less than all of"
        judge = "" if below else ": only attacks judge"
        said += f" That is {worth} {human(name)} (log2 of its classes: {bits:.4g}){judge}."
    return said


def reused(audit: Audit) -> str:
    """How often the test people were attacked so far, and what that does to the bounds."""
    if audit.reuse is None:
        return "Nobody counted how often these test people were attacked before."
    plans, models = audit.reuse
    if plans == 1:
        return "As far as the ledger knows, these test people were attacked for the first time."
    return (
        f"These test people were attacked by {count(plans)} different plans so far, on"
        f" {count(models)} {'model' if models == 1 else 'models'}. Whoever chooses among models by"
        " such audits makes the bounds of the chosen one too good: fresh people are better."
    )


def kept(audit: Audit) -> str:
    """What the unseen tasks lost on average, in points."""
    loss = audit.mean_utility_loss
    if not audit.utility:
        return "No unseen task was measured"
    if loss is None and not any(task.unprotected for task in audit.utility):
        return "What unseen tasks lose is not known: there is no unprotected extractor"
    if loss is None:
        return "Not every unseen task could be measured"
    if round(100 * loss, 1) <= 0:
        return f"Unseen tasks lose nothing on average ({points(loss)} points)"
    return f"Unseen tasks lose {points(loss)} points on average"
