"""Export: checkpoints -> the release's ONNX file and manifest, and the unprotected control."""

from __future__ import annotations

from pathlib import Path

from pipelines.console import run
from pipelines.params import load
from tiprdc.export import ExportConfig
from tiprdc.release import build


def main() -> None:
    build(
        load("export", ExportConfig),
        shards=Path("artifacts/shards"),
        checkpoint=Path("artifacts/checkpoint"),
        release=Path("artifacts/release"),
        control=Path("artifacts/control"),
    )


if __name__ == "__main__":
    run(main)
