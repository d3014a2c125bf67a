"""Export: checkpoints -> the release's ONNX file and manifest, and the unprotected extractor.

With the name of a variant as argument: the release's ONNX file -> a release of that variant.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.artifacts import Artifact, artifact_from_argv
from pipelines.observability.progress import run
from pipelines.params.load import load
from tiprdc.export.build import build, build_variant
from tiprdc.export.onnx_export import ExportConfig


def main() -> None:
    config, artifact = load("export", ExportConfig), artifact_from_argv()
    shards, checkpoint = Path("artifacts/shards"), Path("artifacts/checkpoint")
    release = Path(Artifact().release)
    if artifact.variant:
        build_variant(
            config,
            artifact.variant,
            shards=shards,
            checkpoint=checkpoint,
            release=release,
            out=Path(artifact.release),
        )
        return
    unprotected = Path("artifacts/unprotected")
    build(config, shards=shards, checkpoint=checkpoint, release=release, unprotected=unprotected)


if __name__ == "__main__":
    run(main)
