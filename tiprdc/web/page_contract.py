"""The document `page.json`: what the page says about a release, beside its manifest."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from tiprdc.formats.audit_report import AuditReport
from tiprdc.formats.manifest import Contract
from tiprdc.formats.release_statement import Release
from tiprdc.reports import verdict_wording, wording

PAGE_VERSION: Final = 1


class PageContract(Struct, frozen=True, kw_only=True):
    """What the page shows and sends.

    Args:
        artifact, version: Of the registry; both empty where the folder is no released version.
        collector: URL; empty where the page sends nothing.
        verdict, promise: Of the audit, in the words of the report.
        claims: One sentence about each private attribute.
        channel: What happens to features before they leave.
        most_bits: What one record's features reveal of anything, at most; None: no bound is known.
        decoder: Whether `decoder.onnx` is there.
    """

    page_version: Literal[1] = PAGE_VERSION
    artifact: str
    version: str
    model_sha256: str
    collector: str
    verdict: str
    promise: str
    claims: tuple[str, ...]
    channel: str
    most_bits: float | None
    decoder: bool


def page_contract(
    contract: Contract,
    audit: AuditReport,
    release: Release | None,
    *,
    collector: str,
    decoder: bool,
) -> PageContract:
    """What the page says about a release.

    Args:
        contract: Its manifest.
        audit: Of the same model.
        release: Its statement; None where the folder is no released version.
        collector: URL, or empty.
        decoder: Whether the page has one.
    """
    return PageContract(
        artifact=release.artifact if release else "",
        version=release.version if release else "",
        model_sha256=contract.model_sha256,
        collector=collector,
        verdict=audit.verdict,
        promise=f"{verdict_wording.headline(audit)}.",
        claims=tuple(
            verdict_wording.claim(name, attribute, audit)
            for name, attribute in audit.attributes.items()
        ),
        channel=wording.channel(contract),
        most_bits=contract.most_bits.record,
        decoder=decoder,
    )
