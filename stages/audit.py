"""Audit: the exported bytes, attacked -> verdict, figures, pictures.

With the name of a variant: the bytes of that variant.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.artifacts import artifact_from_argv
from pipelines.audit.run import LEDGER, audit
from pipelines.cluster import ClusterConfig
from pipelines.observability.progress import run
from pipelines.params import load
from tiprdc.audit.config import AuditConfig


def main() -> None:
    shipped = artifact_from_argv()
    audit(
        load("audit", AuditConfig),
        load("cluster", ClusterConfig),
        shards=Path("artifacts/shards"),
        release=Path(shipped.release),
        unprotected=Path("artifacts/unprotected"),
        out=Path(shipped.reports),
        ledger=LEDGER,
        stage=shipped.stage("audit"),
        artifact=shipped.artifact,
    )


if __name__ == "__main__":
    run(main)
