"""Audit a release, or a registered version, on Ray.

python -m pipelines.audit artifacts/release --unprotected artifacts/unprotected --out reports/again
python -m pipelines.audit extractor@v1.2.0 --out reports/again
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from pipelines.audit.run import LEDGER, audit
from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.progress import console
from pipelines.observability.progress import run as run_stage
from pipelines.params.load import load
from tiprdc.audit.config import AuditConfig
from tiprdc.cli.exit_codes import no_verdict_by_accident
from tiprdc.cli.help_style import Command, application, examples
from tiprdc.cli.output_folder import check_output
from tiprdc.errors import ModelError
from tiprdc.formats.audit_report import EXIT_CODE
from tiprdc.registry import pull
from tiprdc.registry.signing import make_signer

PULLED = Path("runs/pulled")
"""Folder for registered versions that are audited again."""
_VERSION = re.compile(r"([\w-]+)@(v\d+\.\d+\.\d+)")


def resolve(release: str, repository: Path = Path()) -> Path:
    """The folder of a release, given its path or its version.

    A version is pulled from the repository's own tags and DVC remote, and checked against its tag.
    Deprecated versions are pulled too, since old versions are audited again.

    Raises:
        ModelError: There is no such folder.
        ReleaseError: There is no such version, or its bytes differ from its tag.
    """
    path = Path(release)
    if path.exists():
        return path if path.is_dir() else path.parent
    version_match = _VERSION.fullmatch(release)
    if version_match is None:
        raise ModelError(
            "RELEASE",
            f"{release} does not exist",
            "a folder, or a version such as extractor@v1.2.0",
        )
    folder = repository / PULLED / release
    if folder.exists():
        pull.verify(folder, None)
        return folder
    artifact, version = version_match.groups()
    wanted = pull.VersionSelector(artifact=artifact, version=version, allow_deprecated=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    pull.pull(str(repository.resolve()), wanted, folder, None)
    return folder


def _monitor_names(release: str) -> dict[str, str]:
    """Stage and artifact of a version: its own names, apart from the graph's release."""
    if _VERSION.fullmatch(release):
        return {"stage": f"audit-{release}", "artifact": release}
    return {}


app = application()


@app.command(
    cls=Command,
    epilog=examples(
        "python -m pipelines.audit artifacts/release --unprotected artifacts/unprotected -o again",
        "python -m pipelines.audit extractor@v1.2.0 -o again",
    ),
)
def command(
    release: Annotated[str, typer.Argument(help="Folder of a release, or extractor@v1.2.0.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the results.")],
    shards: Annotated[Path, typer.Option(help="Folder of `prepare`.")] = Path("artifacts/shards"),
    unprotected: Annotated[
        Path | None, typer.Option(help="Folder with unprotected.onnx; omit to skip it.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--sign", metavar="KEY", help="Sign audit.intoto.json with this key."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an earlier result in the folder of --out.")
    ] = False,
) -> None:
    """Audit a release on Ray with the settings of params.yaml.

    Exit code 0: PASS, 1: FAIL, 2: inconclusive, or no audit was possible. 70: a fault of
    tiprdc itself, 130: interrupted.
    """
    signer = make_signer(key) if key else None
    check_output(out, "audit.json", replace=replace)
    report = audit(
        load("audit", AuditConfig),
        load("cluster", ClusterConfig),
        shards=shards,
        release=resolve(release),
        unprotected=unprotected,
        out=out,
        ledger=LEDGER,
        signer=signer,
        **_monitor_names(release),
    )
    console.print(f"{report.verdict}: {out / 'audit.json'}", markup=False, highlight=False)
    for reason in report.reasons:
        console.print(f"- {reason}", markup=False, highlight=False)
    raise typer.Exit(EXIT_CODE[report.verdict])


if __name__ == "__main__":
    with no_verdict_by_accident():
        run_stage(app)
