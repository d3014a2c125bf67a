"""Export: checkpoints -> the release's ONNX file and manifest, and the unprotected control.

With the name of a variant: that file -> the variant, a release of its own.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.artifacts import Shipped, asked
from pipelines.observability.progress import run
from pipelines.params import load
from tiprdc.export.build import build, build_variant
from tiprdc.export.onnx_export import ExportConfig


def main() -> None:
    config, shipped = load("export", ExportConfig), asked()
    shards, checkpoint = Path("artifacts/shards"), Path("artifacts/checkpoint")
    release = Path(Shipped().release)
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
    control = Path("artifacts/control")
    build(config, shards=shards, checkpoint=checkpoint, release=release, control=control)


if __name__ == "__main__":
    run(main)
