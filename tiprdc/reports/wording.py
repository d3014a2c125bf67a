"""Words about an audit and a release, the same on the page, in the card and in the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import UNSET

from tiprdc.formats.audit_bounds import CurvePoint, Projection
from tiprdc.formats.audit_report import AuditReport, Estimate
from tiprdc.formats.manifest import Contract
from tiprdc.formats.numbers import MINUS, count, percent

DASH = "\N{EN DASH}"
"""Between two numbers, or where there is none."""


def interval(estimate: Estimate | CurvePoint | Projection) -> str:
    """The bounds of an estimate: `52.0 to 56.1 %`."""
    return f"{100 * estimate.low:.1f} to {percent(estimate.high)}"


def confidence(audit: AuditReport) -> str:
    """The confidence of each one-sided bound: `95 %`."""
    return f"{100 * audit.policy.confidence:g} %"


def readable(name: str) -> str:
    """A column's name as words: `skin_tone` -> `skin tone`."""
    return name.replace("_", " ").strip() or name


def worded(text: str, audit: AuditReport) -> str:
    """A text of an audit with the names of attributes, tasks and attacks as words."""
    plan = audit.plan
    names = {*audit.attributes, *audit.utility, *plan.attacks, *plan.probes, *plan.raw}
    for name in sorted(names, key=len, reverse=True):
        if "_" in name:
            words = readable(name).replace("\\", r"\\")
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", words, text)
    return text


def attack_name(name: str) -> str:
    """An attack's name as words: `gradient_boosting` -> `gradient boosting`, `mlp` -> `MLP`."""
    return name.upper() if len(name) <= 3 else readable(name)


def listing(names: Sequence[str]) -> str:
    """`a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def channel(contract: Contract) -> str:
    """What happens to features before they leave the device."""
    steps, output = [], contract.output
    if output.clip:
        steps.append(f"squashed into {MINUS}{output.clip:g} to {output.clip:g}")
    if output.noise:
        steps.append(f"with Gaussian noise of {output.noise:g}, drawn anew at every run")
    if output.bits:
        steps.append(f"rounded to {count(2**output.bits)} levels ({output.bits} bits)")
    if output.codes:
        return f"each record is sent as one of {count(output.codes)} codes, with its prototype"
    return f"each feature is {listing(steps)}" if steps else "features as they are"


def decoding(contract: Contract) -> str:
    """How a release's pictures or recordings become records; empty for other records."""
    heard = contract.input.recording
    if heard is not UNSET:
        seconds = contract.input_shape[0] / heard.rate
        return (
            f"{heard.rate:,} samples a second ({heard.resampling} for other rates), the"
            f" {heard.channels} of the channels, {seconds:g} s: {heard.length}"
        )
    stated = contract.input.decoding
    if stated is None:
        return ""
    return (
        f"upright by their {stated.orientation.upper()}, transparent pixels on {stated.background},"
        f" grey of 9 to 16 bits by its {stated.deep_grey}, stretched ({stated.resize})"
    )


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
