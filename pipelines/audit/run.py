"""Audit a release on Ray: attack the exported bytes with the people of its shards; one verdict."""

from __future__ import annotations

from pathlib import Path

from pipelines.audit.ray_executor import RayExecutor
from pipelines.cluster.connect import ClusterConfig, connect
from pipelines.observability.audit_metrics import AttackMetrics, report_verdict
from pipelines.observability.stage_monitor import monitor_stage
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.own_model import Model, OwnModel
from tiprdc.audit.plan import jobs_of
from tiprdc.audit.run import Digests, make_plan
from tiprdc.audit.run import run as run_audit
from tiprdc.audit.writer import write
from tiprdc.datasets.schema import Schema, read_schema, read_split, searched_records
from tiprdc.errors import ModelError
from tiprdc.formats.audit_report import AuditReport
from tiprdc.formats.envelope import Signer
from tiprdc.formats.manifest import read_contract
from tiprdc.formats.writable import require_writable

LEDGER = Path("runs/audits.jsonl")
"""Beside the state of runs: DVC deletes outs before a stage runs, and the ledger must survive."""
MAX_KNOWN = 100_000
"""Records of extractor-train that attackers know, about."""
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
        evidence = _open(shards, release, unprotected)
        plan = make_plan(config, evidence, _MORE_PEOPLE)
        attacks = AttackMetrics(monitor, len(jobs_of(plan)), artifact)
        with connect(cluster):
            audited = run_audit(
                plan, evidence,
                RayExecutor(monitor.set_progress, attacks.task_ended, cluster.gpus_per_attack),
                cluster.most_seconds,
                lambda: Digests.of_files(*_files(shards, release, unprotected)),
                Ledger(ledger),
            )  # fmt: skip
        write(audited, out, signer=signer)
        report_verdict(monitor, audited.report, artifact)
    return audited.report


def _open(shards: Path, release: Path, unprotected: Path | None) -> Evidence:
    schema, models = _files(shards, release, unprotected)
    train = read_split(shards, schema, "attacker-train")
    return Evidence(
        schema,
        train=train,
        select=read_split(shards, schema, "attacker-select"),
        test=read_split(shards, schema, "attacker-test"),
        models=models,
        members=read_split(shards, schema, "extractor-train", fewest=MAX_KNOWN),
        searched=searched_records(len(train)),
    )


def _files(
    shards: Path, release: Path, unprotected: Path | None
) -> tuple[Schema, dict[str, Model]]:
    """The schema and the models, after a check that they belong together."""
    schema = read_schema(shards)
    contract = read_contract(release / "manifest.json")
    models: dict[str, Model] = {
        "released": OwnModel(_read(release / "extractor.onnx")),
    }
    if unprotected is not None:
        models["unprotected"] = OwnModel(_read(unprotected / "unprotected.onnx"))
    digest = models["released"].sha256
    if digest != contract.model_sha256:
        raise ModelError(
            str(release / "extractor.onnx"), f"sha256 {digest[:12]}",
            f"{contract.model_sha256[:12]}, as its manifest says", "run `dvc repro -f export`",
        )  # fmt: skip
    if contract.data_digest != schema.digest:
        raise ModelError(
            str(release / "manifest.json"), "the extractor was trained on other shards",
            "one whose training people are known not to be in attacker-test", "run `dvc repro`",
        )  # fmt: skip
    return schema, models


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(str(path), "no such file", hint="run `dvc repro export`") from None
