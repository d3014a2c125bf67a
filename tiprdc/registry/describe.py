"""The statement of a release, from its manifest, its audit and its files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from tiprdc import __version__
from tiprdc.formats.audit_report import AuditReport
from tiprdc.formats.manifest import Contract
from tiprdc.formats.release_statement import AUDIT, STATEMENT_VERSION, ReleasedFile
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
) -> dict[str, Any]:
    """Say what a release is; names and figures, nothing of any person.

    Args:
        contract: Its manifest.
        audit: Of this very model.
        files: Name in the release -> file.
        artifact: Name in the registry.
        version: "v1.2.0".
        revision: Git commit that made the files.
        params_sha256: Of params.yaml there.
    """
    released = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "statement_version": STATEMENT_VERSION,
        "artifact": artifact,
        "version": version,
        "revision": revision,
        "released": released,
        "tiprdc_version": __version__,
        "files": {
            name: {"path": file.path, "sha256": file.sha256, "bytes": file.size}
            for name, file in files.items()
        },
        "variant": _variant(contract),
        "opset": contract.opset,
        "private": list(contract.private),
        "input": msgspec.to_builtins(contract.input),
        "output": msgspec.to_builtins(contract.output),
        "training_data": msgspec.to_builtins(contract.training_data),
        "params_sha256": params_sha256,
        "audit": {
            "sha256": files[AUDIT].sha256,
            "verdict": audit.verdict,
            "suite_version": audit.suite_version,
            "plan_sha256": audit.plan_sha256,
            "policy": msgspec.to_builtins(audit.policy),
            "attributes": {
                name: {"high": a.strongest.high, "limit": a.limit}
                for name, a in audit.attributes.items()
                if a.strongest
            },
            "utility_loss": audit.mean_utility_loss,
        },
        "bom": bill_of_materials(
            contract, audit, files, version=version, revision=revision, released=released
        ),
    }


def _variant(contract: Contract) -> dict[str, Any] | None:
    found = contract.variant
    return {"name": found.name, "of": found.of, "mean_abs": found.mean_abs} if found else None
