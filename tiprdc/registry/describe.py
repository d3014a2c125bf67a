"""Describe a release: its statement from manifest, audit and files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from tiprdc import __version__
from tiprdc.formats.audit_report import AttributeReport, AuditReport, Estimate
from tiprdc.formats.manifest import Contract
from tiprdc.formats.release_statement import (
    AUDIT,
    AuditSummary,
    Bound,
    Release,
    ReleasedFile,
    TrainingData,
    Variant,
)
from tiprdc.registry.bom import bill_of_materials


def describe(
    contract: Contract,
    audit: AuditReport,
    files: Mapping[str, ReleasedFile],
    *,
    artifact: str,
    version: str,
    revision: str,
    params_sha256: str,
) -> Release:
    """Build the statement of a release; it has names and figures, no data about a person.

    Args:
        contract: Its manifest.
        audit: Of exactly this model.
        files: Name in the release -> file.
        artifact: Name in the registry.
        version: "v1.2.0".
        revision: Git commit that made the files.
        params_sha256: Of params.yaml at that commit.
    """
    released = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    variant = contract.variant
    return Release(
        artifact=artifact,
        version=version,
        revision=revision,
        released=released,
        tiprdc_version=__version__,
        files=dict(files),
        variant=Variant(name=variant.name, of=variant.of, mean_abs=variant.mean_abs)
        if variant
        else None,
        opset=contract.opset,
        private=contract.private,
        input=_as_json(contract.input),
        output=_as_json(contract.output),
        training_data=TrainingData(
            dataset=contract.training_data.dataset, digest=contract.training_data.digest
        ),
        params_sha256=params_sha256,
        audit=AuditSummary(
            sha256=files[AUDIT].sha256,
            verdict=audit.verdict,
            suite_version=audit.suite_version,
            plan_sha256=audit.plan_sha256,
            policy=_as_json(audit.policy),
            attributes={
                name: _bound(attribute, attribute.strongest)
                for name, attribute in audit.attributes.items()
                if attribute.strongest
            },
            utility_loss=audit.mean_utility_loss,
            kept=audit.mean_kept,
        ),
        bom=bill_of_materials(
            contract, audit, files, version=version, revision=revision, released=released
        ),
    )


def _bound(attribute: AttributeReport, strongest: Estimate) -> Bound:
    projection = attribute.curves[0].projection if attribute.curves else None
    return Bound(
        high=strongest.high,
        limit=attribute.limit,
        attacker_people=strongest.attacker_people,
        projected=projection.high if projection else None,
        projected_people=projection.people if projection else None,
        certificate=attribute.certificate.bound if attribute.certificate else None,
    )


def _as_json(document: object) -> Any:
    """A document as JSON has it: lists in place of tuples, so that it equals what is read back."""
    return msgspec.json.decode(msgspec.json.encode(document))
