"""The audit's page: one self-contained file for whoever must say yes or no to a release.

No script, no font, no picture comes from anywhere else, and a Content-Security-Policy forbids it.
Every chart is a table whose cells carry both the number and an inline SVG that takes its colours
from the page, so that it reads the same on a phone, in the dark, on paper and aloud.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tiprdc.formats.audit_report import REPRESENTATIONS, Audit, read_audit, read_audited
from tiprdc.formats.manifest import Contract
from tiprdc.reports import charts, wording

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
    "linkability": "Joining two records of one person",
    "membership": "Finding the people that the extractor was trained on",
    "reconstruction": "What rebuilt records give away",
    "attacker_data": "What more data gives the attacker",
}
DECODERS = {
    "released": "This release",
    "unprotected": "Unpro\N{SOFT HYPHEN}tected",
    "without_features": "No features",
}


def write_report(reports: Path, release: Path | None) -> Path:
    """Write `reports/index.html` from what an audit left in `reports` and in the release.

    Args:
        reports: Holds audit.json, and training.csv and pictures.npz where there are such.
        release: Holds manifest.json; None: what was audited is no release of ours.

    Raises:
        DataError: A file is missing or unreadable, or the release is not what was audited.
    """
    audit = read_audit(reports / "audit.json")
    contract = None if release is None else read_audited(release / "manifest.json", audit)
    page = render(
        audit,
        contract=contract,
        training=charts.read_training(reports / "training.csv"),
        pictures=charts.read_pictures(reports / "pictures.npz"),
    )
    path = reports / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def render(
    audit: Audit,
    *,
    contract: Contract | None,
    training: charts.Training,
    pictures: Mapping[str, Sequence[str]],
) -> str:
    """The page as HTML; everything that is not ours is escaped."""
    return _environment().get_template("report.html").render(
        audit=audit,
        contract=contract,
        curves=training.curves,
        training_seconds=training.seconds,
        pictures=pictures,
        picture_labels=charts.PICTURES,
        sure=wording.sure(audit).replace(" %", "\u00a0%"),
        measures=MEASURES,
        families=FAMILIES,
        decoders=DECODERS,
        representations=REPRESENTATIONS,
        scale_of=charts.attribute_scale,
        marks_of=charts.marks,
        task_scale=charts.task_scale(audit.utility),
        attack_table=charts.attack_table,
    )  # fmt: skip


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tiprdc.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A number and its unit stay on one line.
    glue = "\u00a0%"
    environment.filters.update(
        percent=lambda rate: wording.percent(rate).replace(" %", glue),
        interval=lambda estimate: wording.interval(estimate).replace(" %", glue),
        prose=lambda text: text.replace(" %", glue),
        points=wording.points,
        count=wording.count,
        human=wording.human,
        attacker=wording.attacker,
        pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False),
        flat=lambda value: list(flat(value)),
    )
    environment.globals.update(
        headline=wording.headline,
        claim=wording.claim,
        kept=wording.kept,
        reused=wording.reused,
        listing=wording.listing,
        sent=wording.sent,
        most=wording.most,
        variant=wording.variant,
    )
    return environment


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
