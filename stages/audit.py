"""Audit: the exported bytes, attacked -> verdict, figures, pictures."""

from __future__ import annotations

from pathlib import Path

from pipelines.cluster import ClusterConfig
from pipelines.console import run
from pipelines.graph_audit import LEDGER, audit
from pipelines.params import load
from tiprdc.audit.config import AuditConfig


def main() -> None:
    audit(
        load("audit", AuditConfig),
        load("cluster", ClusterConfig),
        shards=Path("artifacts/shards"),
        release=Path("artifacts/release"),
        control=Path("artifacts/control"),
        out=Path("reports"),
        ledger=LEDGER,
    )


if __name__ == "__main__":
    run(main)
