"""Audit a release on Ray: attack the exported bytes with the people of its shards; one verdict."""

from __future__ import annotations

from pathlib import Path

from pipelines.audit.ray_executor import RayExecutor
from pipelines.cluster.connect import ClusterConfig, connect
from pipelines.observability.audit_metrics import AttackMetrics, report_verdict
from pipelines.observability.stage_monitor import monitor_stage
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.own_shards import digests_of, open_shards
from tiprdc.audit.plan import jobs_of
from tiprdc.audit.run import make_plan
from tiprdc.audit.run import run as run_audit
from tiprdc.audit.writer import write
from tiprdc.formats.audit_report import AuditReport
from tiprdc.formats.envelope import Signer
from tiprdc.formats.writable import require_writable

LEDGER = Path("runs/audits.jsonl")
"""Beside the state of runs: DVC deletes outs before a stage runs, and the ledger must survive."""
_MORE_PEOPLE = "prepare more people or a larger prepare.shares.attacker_test, or lower the policy"


def audit(
    config: AuditConfig,
    cluster: ClusterConfig,
    *,
    shards: Path,
    release: Path,
    unprotected: Path | None,
    out: Path,
    ledger: Path | None = None,
    stage: str = "audit",
    artifact: str = "extractor",
    signer: Signer | None = None,
) -> AuditReport:
    """Audit a release and write `audit.json`, `metrics.json`, `attacks.csv`,
    `pictures.npz` and `audit.intoto.json`.

    Args:
        config: Attacks, their number of seeds, and the policy.
        cluster: Where this runs.
        shards: Folder of `prepare`.
        release: Folder with `extractor.onnx` and `manifest.json`.
        unprotected: Folder with `unprotected.onnx`; None: no comparison with it.
        out: Folder for the results.
        ledger: File that counts how often these test people were audited.
        stage: Name of the event log and of the file of metrics.
        artifact: The registry's name of what is audited, for the metrics.
        signer: Signs `audit.intoto.json`; None: it is not signed.

    Raises:
        ConfigError: The results cannot be written.
        DataError: Fewer people than the policy needs, or damaged shards.
        ModelError: The release does not match its manifest, or was not made from these shards.
        ClusterError: Ray does not answer.
    """
    require_writable(out, "audit.json")
    with monitor_stage(stage, cluster) as monitor:
        evidence = open_shards(shards, release, unprotected)
        plan = make_plan(config, evidence, _MORE_PEOPLE)
        attacks = AttackMetrics(monitor, len(jobs_of(plan)), artifact)
        with connect(cluster):
            audited = run_audit(
                plan, evidence,
                RayExecutor(monitor.set_progress, attacks.task_ended, cluster.gpus_per_attack),
                cluster.most_seconds,
                lambda: digests_of(shards, release, unprotected),
                Ledger(ledger),
            )  # fmt: skip
        write(audited, out, signer=signer)
        report_verdict(monitor, audited.report, artifact)
    return audited.report
