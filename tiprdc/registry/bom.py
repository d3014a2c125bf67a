"""The release's bill of materials: a CycloneDX 1.6 machine-learning document.

It names model and data by digest, the software that made them, and the audit's figures with their
bounds. All of it is in the manifest and the audit too.

Source: CycloneDX 1.6 (ECMA-424), https://cyclonedx.org/docs/1.6/json/.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from tiprdc.formats.audit_report import AuditReport, Estimate
from tiprdc.formats.manifest import Contract
from tiprdc.formats.release_statement import ReleasedFile
from tiprdc.reports import wording

_SPACE = uuid.UUID("9c0c8a5e-3f0e-5f0a-9d6a-6f2c4f1b7a21")
"""Namespace of serial numbers: the same release has the same one."""


def bill_of_materials(
    contract: Contract,
    audit: AuditReport,
    files: Mapping[str, ReleasedFile],
    *,
    version: str,
    revision: str,
    released: str,
) -> dict[str, Any]:
    """Describe a release.

    Args:
        contract: Its manifest.
        audit: Of exactly this model.
        files: Name in the release -> file.
        version: "v1.2.0".
        revision: Git commit that made it.
        released: Time in UTC, ISO 8601.
    """
    model = f"{contract.name}@{version}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, f'{model} {contract.model_sha256}')}",
        "version": 1,
        "metadata": {
            "timestamp": released,
            "component": _model(contract, audit, model, version, revision),
        },
        "components": [
            *(_file(model, name, file) for name, file in sorted(files.items())),
            _data(contract),
            _software(contract),
        ],
        "dependencies": [{"ref": model, "dependsOn": ["training-data", "tiprdc"]}],
    }


def _model(
    contract: Contract, audit: AuditReport, model: str, version: str, revision: str
) -> dict[str, Any]:
    return {
        "type": "machine-learning-model",
        "bom-ref": model,
        "name": contract.name,
        "version": version,
        **_pedigree(contract, version),
        "description": f"Feature extractor trained to hide {wording.listing(contract.private)}.",
        "hashes": [_hash(contract.model_sha256)],
        "properties": [
            {"name": "tiprdc:revision", "value": revision},
            {"name": "tiprdc:opset", "value": str(contract.opset)},
            {"name": "tiprdc:suite_version", "value": audit.suite_version},
            {"name": "tiprdc:verdict", "value": audit.verdict},
        ],
        "modelCard": {
            "modelParameters": {
                "task": "feature extraction",
                "datasets": [{"ref": "training-data"}],
                "inputs": [{"format": _tensor(contract.input.dtype, contract.input_shape)}],
                "outputs": [{"format": _tensor(contract.output.dtype, contract.features)}],
            },
            "quantitativeAnalysis": {"performanceMetrics": list(_metrics(audit))},
            "considerations": {
                "technicalLimitations": [
                    "Attacks give lower bounds on leakage: features are not anonymous.",
                    *(f"Not tried: {what}" for what in audit.not_tried),
                ]
            },
        },
    }


def _pedigree(contract: Contract, version: str) -> dict[str, Any]:
    """For a variant, the file that it was made of."""
    variant = contract.variant
    if variant is None:
        return {}
    ancestor = {
        "type": "machine-learning-model",
        "name": contract.name.removesuffix(f"-{variant.name}"),
        "version": version,
        "hashes": [_hash(variant.of)],
    }
    return {"pedigree": {"ancestors": [ancestor], "notes": wording.variant(contract)}}


def _metrics(audit: AuditReport) -> Iterator[dict[str, Any]]:
    for name, attribute in audit.attributes.items():
        if attribute.strongest:
            what = f"balanced accuracy of the strongest attack ({attribute.strongest.attack})"
            yield _metric(what, f"private attribute {name}", attribute.strongest)
        for curve in attribute.curves[:1]:
            projected = curve.projection
            yield {
                "type": f"balanced accuracy projected to {projected.people} people of the attacker",
                "slice": f"private attribute {name}",
                "value": f"{projected.value:.4f}",
                "confidenceInterval": _interval(projected.low, projected.high),
            }
        if attribute.certificate:
            yield {
                "type": "upper bound on the balanced accuracy of every attacker",
                "slice": f"private attribute {name}",
                "value": f"{attribute.certificate.bound:.4f}",
            }
    for name, task in audit.utility.items():
        if task.released:
            what = f"balanced accuracy of the strongest probe ({task.released.attack})"
            kind = "told task" if name in audit.plan.told else "unseen task"
            yield _metric(what, f"{kind} {name}", task.released)
    if audit.mean_kept is not None:
        yield {
            "type": "share kept of what the raw record tells",
            "slice": "mean over unseen tasks",
            "value": f"{audit.mean_kept:.4f}",
        }


def _metric(kind: str, part: str, estimate: Estimate) -> dict[str, Any]:
    return {
        "type": kind,
        "slice": part,
        "value": f"{estimate.balanced_accuracy:.4f}",
        "confidenceInterval": _interval(estimate.low, estimate.high),
    }


def _interval(low: float, high: float) -> dict[str, str]:
    return {"lowerBound": f"{low:.4f}", "upperBound": f"{high:.4f}"}


def _file(model: str, name: str, file: ReleasedFile) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": f"{model}/{name}",
        "name": name,
        "hashes": [_hash(file.sha256)],
    }


def _data(contract: Contract) -> dict[str, Any]:
    return {
        "type": "data",
        "bom-ref": "training-data",
        "name": contract.training_data.dataset,
        "properties": [{"name": "tiprdc:digest", "value": contract.data_digest}],
        "data": [{"type": "dataset", "name": contract.training_data.dataset}],
    }


def _software(contract: Contract) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": "tiprdc",
        "name": "tiprdc",
        "version": contract.tiprdc_version,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }


def _hash(sha256: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": sha256}


def _tensor(dtype: str, shape: tuple[int, ...]) -> str:
    return f"{dtype}[{', '.join(['batch', *map(str, shape)])}]"
