"""Writes the audit's page, `index.html`: one self-contained file for the person who approves.

It holds no script, and no font or picture from elsewhere; a Content-Security-Policy forbids both.
Every chart is a table whose cells carry the number and an inline SVG in the page's colours, so that
it reads the same on a phone, in dark mode, on paper and in a screen reader.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from tiprdc.formats import numbers
from tiprdc.formats.audit_plan import REPRESENTATIONS
from tiprdc.formats.audit_report import AuditReport, read_audit, read_audited
from tiprdc.formats.manifest import Contract
from tiprdc.reports import (
    attack_wording,
    bounds_wording,
    charts,
    kept_wording,
    learning_curve,
    measure_wording,
    verdict_wording,
    wording,
)
from tiprdc.reports.pictures import LABELS, read_pictures
from tiprdc.reports.training_curves import Training, read_training

MEASURES = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "r2": "Numbers, mean R²",
    "accuracy": "Categories, mean accuracy",
    "average_precision": "Tokens of the text, average precision",
    "found": "Tokens found among as many guesses",
}
FAMILIES = {
    "worst_people": "The people who are recognised best",
    "linkability": "Linking two records of one person",
    "membership": "Finding the people that the extractor was trained on",
    "reconstruction": "What rebuilt records give away",
    "attacker_data": "What more data gives the attacker",
}
DECODERS = {
    "released": "This release",
    "unprotected": "Unpro\N{SOFT HYPHEN}tected",
    "without_features": "No features",
}
_GLUED = "\u00a0%"
"""A number and its unit stay on one line."""


def write_report(reports: Path, release: Path | None) -> Path:
    """Write `reports/index.html`.

    Args:
        reports: Holds audit.json; training/*.csv and pictures.npz where there are such.
        release: Holds manifest.json; None for a file that this project did not make.

    Raises:
        DataError: A file is missing or unreadable, or the release is not what was audited.
    """
    audit = read_audit(reports / "audit.json")
    contract = None if release is None else read_audited(release / "manifest.json", audit)
    page = render(
        audit,
        contract=contract,
        training=read_training(reports / "training"),
        pictures=read_pictures(reports / "pictures.npz"),
    )
    path = reports / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def render(
    audit: AuditReport,
    *,
    contract: Contract | None,
    training: Training,
    pictures: Mapping[str, Sequence[str]],
) -> str:
    """The page as HTML; text from the audit and the manifest is escaped."""
    return _environment().get_template("report.html").render(
        audit=audit,
        contract=contract,
        curves=training.curves,
        training_seconds=training.seconds,
        pictures=pictures,
        picture_labels=LABELS,
        sure=wording.confidence(audit).replace(" %", _GLUED),
        measures=MEASURES,
        families=FAMILIES,
        explained=measure_wording.EXPLAINED,
        decoders=DECODERS,
        representations=REPRESENTATIONS,
        axis_of=charts.attribute_axis,
        marks_of=charts.marks,
        task_axis=charts.task_axis(audit.utility.values()),
        attack_table=charts.attack_table,
        kept_axis=charts.kept_axis(audit.alternatives),
    )  # fmt: skip


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tiprdc.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=lambda rate: numbers.percent(rate).replace(" %", _GLUED),
        interval=lambda estimate: wording.interval(estimate).replace(" %", _GLUED),
        prose=lambda text: text.replace(" %", _GLUED),
        points=numbers.points,
        about=bounds_wording.about,
        whole=lambda rate: bounds_wording.whole(rate).replace(" %", _GLUED),
        share=lambda kept: kept_wording.share(kept).replace(" %", _GLUED),
        count=numbers.count,
        readable=wording.readable,
        attack_name=wording.attack_name,
        worded=wording.worded,
        pretty=lambda value: json.dumps(_builtins(value), indent=2, ensure_ascii=False),
        flat=lambda value: list(flat(_builtins(value))),
    )
    environment.globals.update(
        headline=verdict_wording.headline,
        claim=verdict_wording.claim,
        certified=verdict_wording.certified,
        projection=bounds_wording.projection,
        certificate=bounds_wording.certificate,
        certificate_people=bounds_wording.certificate_people,
        not_covered=bounds_wording.not_covered,
        gap=bounds_wording.gap,
        fitted_on=bounds_wording.fitted_on,
        kept=kept_wording.kept,
        told=kept_wording.told,
        unseen=kept_wording.unseen,
        utility_loss=kept_wording.utility_loss,
        comparison=kept_wording.comparison,
        method_name=kept_wording.method_name,
        short_method=kept_wording.short_method,
        method_size=kept_wording.method_size,
        curve_picture=learning_curve.picture,
        curve_table=learning_curve.table,
        reuse=wording.reuse,
        attack_meaning=attack_wording.meaning,
        alarms=measure_wording.alarms,
        measure_value=measure_wording.value,
        measure_bounds=measure_wording.bounds,
        listing=wording.listing,
        channel=wording.channel,
        information_bound=wording.information_bound,
        variant=wording.variant,
    )
    return environment


def _builtins(document: msgspec.Struct) -> object:
    """A part of the audit as plain JSON values."""
    return msgspec.to_builtins(document)


def flat(value: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of nested JSON as (dotted key, text)."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flat(item, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for number, item in enumerate(value):
            yield from flat(item, f"{prefix}.{number}")
    else:
        yield prefix, _leaf(value)


def _leaf(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(_leaf(item) for item in value) or "none"
    return json.dumps(value)
