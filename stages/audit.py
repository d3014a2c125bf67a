"""Audit: release and shards -> verdict, figures, pictures.

With the name of a variant as argument: the release of that variant.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.artifacts import artifact_from_argv
from pipelines.audit.run import LEDGER, audit
from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.progress import run
from pipelines.params.load import load
from tiprdc.audit.config import AuditConfig


def main() -> None:
    artifact = artifact_from_argv()
    audit(
        load("audit", AuditConfig),
        load("cluster", ClusterConfig),
        shards=Path("artifacts/shards"),
        release=Path(artifact.release),
        unprotected=Path("artifacts/unprotected"),
        out=Path(artifact.reports),
        ledger=LEDGER,
        stage=artifact.stage("audit"),
        artifact=artifact.artifact,
    )


if __name__ == "__main__":
    run(main)
