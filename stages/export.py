"""Export: checkpoints -> the release's ONNX file and manifest, and the unprotected extractor.

With the name of a variant: that file -> the variant, a release of its own.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.artifacts import Artifact, artifact_from_argv
from pipelines.observability.progress import run
from pipelines.params import load
from tiprdc.export.build import build, build_variant
from tiprdc.export.onnx_export import ExportConfig


def main() -> None:
    config, shipped = load("export", ExportConfig), artifact_from_argv()
    shards, checkpoint = Path("artifacts/shards"), Path("artifacts/checkpoint")
    release = Path(Artifact().release)
    if shipped.variant:
        build_variant(
            config,
            shipped.variant,
            shards=shards,
            checkpoint=checkpoint,
            release=release,
            out=Path(shipped.release),
        )
        return
    unprotected = Path("artifacts/unprotected")
    build(config, shards=shards, checkpoint=checkpoint, release=release, unprotected=unprotected)


if __name__ == "__main__":
    run(main)
