"""A folder as `tiprdc pull` writes it, without Git and DVC: unsigned, of a tiny extractor."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec

from pipelines.artifacts import Artifact
from tests.helpers.release_project import write_release
from tiprdc.formats.audit_report import read_audit
from tiprdc.formats.envelope import encode_json
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import read_contract
from tiprdc.formats.release_statement import ReleasedFile, release_statement
from tiprdc.registry.describe import describe
from tiprdc.registry.release_folder import write_statement
from tiprdc.registry.signing import sign

ROOT = Path(__file__).parents[2]


def write_pulled(folder: Path, work: Path, weight: float = 1.0, **described: Any) -> Path:
    """Write extractor@v1.0.0 of pictures 3 x 8 x 8, z = weight * x with 192 features.

    Args:
        folder: To make.
        work: An empty folder for a small project.
        weight: Another weight is another model.
        described: Changes of the release's version or artifact.
    """
    work.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "params.yaml", work)
    write_release(work, weight)
    shutil.copytree(work / Artifact().release, folder)
    for name in ("audit.json", "model_card.md"):
        shutil.copy(work / Artifact().reports / name, folder)
    files = {
        file.name: ReleasedFile(
            path=f"artifacts/{file.name}", sha256=sha256(file), size=file.stat().st_size
        )
        for file in sorted(folder.iterdir())
    }
    words = {"artifact": "extractor", "version": "v1.0.0", **described}
    release = describe(
        read_contract(folder / "manifest.json"), read_audit(folder / "audit.json"), files,
        revision="0" * 40, params_sha256="0" * 64, **words,
    )  # fmt: skip
    payload = encode_json(msgspec.to_builtins(release_statement(release)))
    write_statement(sign(payload, None), release, folder)
    return folder
