"""Writes the model card of a release for model hubs, in Markdown.

It is rendered from the audit and the manifest, so that it states only what was measured.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Meta

from tiprdc.errors import ConfigError
from tiprdc.formats.audit_report import AuditReport, Estimate, read_audit, read_audited
from tiprdc.formats.files import sanitize
from tiprdc.formats.manifest import Contract
from tiprdc.formats.numbers import count, percent, points
from tiprdc.reports import kept_wording, verdict_wording, wording
from tiprdc.settings import Settings

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$@]|^[-+#=]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
"""What Markdown, or a hub's additions to it, would read as more than text."""
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*")

DECODERS = {
    "released": "this release",
    "unprotected": "unprotected features",
    "without_features": "no features: the mean record",
}
MEASURES = ("psnr", "ssim", "r2", "accuracy", "average_precision", "found")

_PIPELINE_TAGS = {"image": "image-feature-extraction", "text": "feature-extraction"}


class CardConfig(Settings, frozen=True, kw_only=True):
    """Facts about a release that the audit cannot measure (`card`)."""

    params_key: ClassVar[str] = "card"

    title: Annotated[str, Meta(min_length=1, description="Name of the model, for readers.")] = (
        "Extractor trained with TIPRDC"
    )
    description: Annotated[
        str, Meta(description="What it is and for whom, in a few sentences of plain text.")
    ] = ""
    intended_use: Annotated[
        str, Meta(description="Its intended use, in a few sentences of plain text.")
    ] = ""
    license: Annotated[
        str,
        Meta(
            description="Identifier of the license as model hubs write it, in lower case, such as "
            "apache-2.0.",
        ),
    ] = "other"
    contact: Annotated[str, Meta(description="Where to send questions: an address or a name.")] = ""
    languages: Annotated[
        tuple[str, ...], Meta(description="Languages of text records, as ISO 639 codes.")
    ] = ()

    def _check(self) -> None:
        if not self.title.strip():
            raise ConfigError("card.title", repr(self.title), "a title that is not empty")
        if not _LICENSE.fullmatch(self.license):
            raise ConfigError(
                "card.license", repr(self.license), "an identifier in lower case",
                "write it as model hubs do, such as apache-2.0, cc-by-4.0 or other",
            )  # fmt: skip
        for language in self.languages:
            if not _LANGUAGE.fullmatch(language):
                raise ConfigError("card.languages", repr(language), "ISO 639 codes such as en")


def write_card(reports: Path, release: Path, config: CardConfig) -> Path:
    """Write `reports/model_card.md`.

    Args:
        reports: Holds audit.json.
        release: Holds manifest.json.
        config: Texts that the audit cannot supply.

    Raises:
        DataError: A file is missing or unreadable, or the release is not what was audited.
    """
    audit = read_audit(reports / "audit.json")
    contract = read_audited(release / "manifest.json", audit)
    path = reports / "model_card.md"
    path.write_text(render(audit, contract, config), encoding="utf-8")
    return path


def render(audit: AuditReport, contract: Contract, config: CardConfig) -> str:
    """The card as Markdown with YAML front matter."""
    environment = Environment(
        loader=PackageLoader("tiprdc.reports", "templates"),
        autoescape=False,  # noqa: S701  # Markdown, not HTML: `plain` escapes foreign text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        plain=plain,
        quoted=quoted,
        code=code,
        percent=percent,
        interval=wording.interval,
        points=points,
        count=count,
        readable=wording.readable,
        attack_name=wording.attack_name,
        share=kept_wording.share,
    )
    return environment.get_template("model_card.md").render(
        metrics=metrics(audit),
        pipeline_tag=_PIPELINE_TAGS.get(audit.modality),
        audit=audit,
        contract=contract,
        notes=list(dict.fromkeys((*audit.notes, *contract.notes))),
        config=config,
        headline=verdict_wording.headline,
        claim=verdict_wording.claim,
        sure=wording.confidence(audit),
        decoders=DECODERS,
        measures=measures(audit),
        utility_loss=kept_wording.utility_loss,
        kept=kept_wording.kept,
        told=kept_wording.told,
        channel=wording.channel,
        information_bound=wording.information_bound,
        variant=wording.variant,
        decoding=wording.decoding,
        listing=wording.listing,
        figure=figure,
    )


def measures(audit: AuditReport) -> list[str]:
    """Measures that every decoder has; the columns of a table are on the page only."""
    decoders = list((audit.reconstruction or {}).values())
    return [name for name in MEASURES if decoders and all(name in scores for scores in decoders)]


def figure(estimate: Estimate | None) -> str:
    """A rate with its bounds, or a dash where an attack did not finish."""
    if estimate is None:
        return wording.DASH
    return f"{percent(estimate.balanced_accuracy)} ({wording.interval(estimate)})"


def plain(text: object) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def code(text: object) -> str:
    """Text as a code span, also within a table."""
    return f"`{' '.join(str(text).replace('`', '').replace('|', '¦').split())}`"


def quoted(text: object) -> str:
    """A YAML string: JSON's quotes are YAML's."""
    return json.dumps(sanitize(str(text)), ensure_ascii=False)


def metrics(audit: AuditReport) -> list[tuple[str, Estimate]]:
    """Results for model hubs: the strongest attack on each attribute, and each unseen task."""
    attacks = [(f"strongest attack on {name}", a.strongest) for name, a in audit.attributes.items()]
    tasks = [
        (f"{kept_wording.kind(name, audit)} {name}", task.released)
        for name, task in audit.utility.items()
    ]
    return [(name, estimate) for name, estimate in attacks + tasks if estimate]
