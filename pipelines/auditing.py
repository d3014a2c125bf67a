"""Attack a release on Ray: the exported bytes, many attacks side by side, one verdict.

python -m pipelines.auditing artifacts/release --control artifacts/control --out reports/again
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from pipelines.attacking import OnRay
from pipelines.cluster import ClusterConfig, connect
from pipelines.console import console
from pipelines.console import run as run_stage
from pipelines.params import load
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.files import write
from tiprdc.audit.findings import AuditReport
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.model import Model, OwnModel
from tiprdc.audit.run import Digests, make_plan
from tiprdc.audit.run import run as run_audit
from tiprdc.contract import read_contract
from tiprdc.datasets.schema import read_schema, read_split
from tiprdc.errors import ConfigError, ModelError

LEDGER = Path("runs/audits.jsonl")
"""Beside what resumes a run: DVC deletes outs before a stage runs, and this must survive."""
_VERSION = re.compile(r"[\w-]+@v\d+\.\d+\.\d+")
_EXIT = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 2}
_MORE_PEOPLE = "prepare more people or a larger prepare.shares.attacker_test, or lower the policy"


def audit(
    config: AuditConfig,
    cluster: ClusterConfig,
    *,
    shards: Path,
    release: Path,
    control: Path | None,
    out: Path,
    ledger: Path | None = None,
) -> AuditReport:
    """Audit a release and write `audit.json`, `metrics.json`, `attacks.csv`,
    `pictures.npz` and `audit.intoto.json`.

    Args:
        config: Who attacks, how hard, and what counts as enough.
        cluster: Where.
        shards: Folder of `prepare`.
        release: Folder with `extractor.onnx` and `manifest.json`.
        control: Folder with `unprotected.onnx`; None: there is no such control.
        out: Folder for the findings.
        ledger: File that counts how often these test people were audited.

    Raises:
        DataError: Fewer people than the policy needs, or files that are not what they should be.
        ModelError: The release is not the one of its manifest, or was not made from these shards.
        ClusterError: Ray does not answer.
    """
    evidence = _open(shards, release, control)
    plan = make_plan(config, evidence, _MORE_PEOPLE)
    with connect(cluster):
        audited = run_audit(
            plan, evidence, OnRay(), config.most_seconds,
            lambda: Digests.of(_open(shards, release, control)),
            Ledger(ledger),
        )  # fmt: skip
    write(audited, out)
    return audited.report


def _open(shards: Path, release: Path, control: Path | None) -> Evidence:
    schema = read_schema(shards)
    contract = read_contract(release / "manifest.json")
    models: dict[str, Model] = {
        "released": OwnModel(_read(release / "extractor.onnx")),
    }
    if control is not None:
        models["unprotected"] = OwnModel(_read(control / "unprotected.onnx"))
    found = models["released"].sha256
    if found != contract.model_sha256:
        raise ModelError(
            str(release / "extractor.onnx"), f"sha256 {found[:12]}",
            f"{contract.model_sha256[:12]}, as its manifest says", "run `dvc repro -f export`",
        )  # fmt: skip
    if contract.data_digest != schema.digest:
        raise ModelError(
            str(release / "manifest.json"), "an extractor that was trained on other shards",
            "one whose training people are known not to be in attacker-test", "run `dvc repro`",
        )  # fmt: skip
    return Evidence(
        schema,
        train=read_split(shards, schema, "attacker-train"),
        select=read_split(shards, schema, "attacker-select"),
        test=read_split(shards, schema, "attacker-test"),
        models=models,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            str(path), "no such file", "what export wrote", "run `dvc repro export`"
        ) from None


def resolve(release: str) -> Path:
    """The folder of a release that somebody names by its path or by its version.

    Raises:
        ModelError: There is no such folder.
        ConfigError: It is a version: it has to be pulled first.
    """
    path = Path(release)
    if path.is_dir() or path.is_file():
        return path if path.is_dir() else path.parent
    if _VERSION.fullmatch(release):
        raise ConfigError(
            "RELEASE", release, "the folder of a release",
            "pull the version into a folder, and audit that",
        )  # fmt: skip
    raise ModelError("RELEASE", f"{release} does not exist", "the folder of a release")


def command(
    release: Annotated[str, typer.Argument(help="Folder of a release.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the findings.")],
    shards: Annotated[Path, typer.Option(help="What `prepare` wrote.")] = Path("artifacts/shards"),
    control: Annotated[
        Path | None, typer.Option(help="Folder with unprotected.onnx, if there is one.")
    ] = None,
) -> None:
    """Audit a release on Ray, by the settings of params.yaml. Exit code 0, 1 or 2."""
    report = audit(
        load("audit", AuditConfig),
        load("cluster", ClusterConfig),
        shards=shards,
        release=resolve(release),
        control=control,
        out=out,
        ledger=LEDGER,
    )
    console.print(f"{report.verdict}: {out / 'audit.json'}", markup=False, highlight=False)
    for reason in report.reasons:
        console.print(f"- {reason}", markup=False, highlight=False)
    raise typer.Exit(_EXIT[report.verdict])


if __name__ == "__main__":
    run_stage(lambda: typer.run(command))
