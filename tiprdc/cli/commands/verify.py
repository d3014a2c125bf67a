"""`tiprdc verify`: check offline that a pulled folder is what was released."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.cli.trust_option import Trust
from tiprdc.errors import DataError
from tiprdc.formats.audit_report import read_audit
from tiprdc.registry.pull import VerifiedRelease
from tiprdc.registry.pull import verify as check
from tiprdc.registry.signing import read_trust
from tiprdc.reports import bounds_wording


def verify(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder that `tiprdc pull` wrote, or an audit.json."),
    ],
    trust: Trust = None,
    certificate: Annotated[
        bool,
        typer.Option("--certificate", help="Compute an audit's certificates again from counts."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Verify the files of a pulled release again, offline.

    Every file is compared with the statement, and with --trust the statement with its signature.

    With --certificate: compute the bounds on every attacker in an audit.json again from its counts.
    """
    if certificate:
        verify_certificates(folder, as_json)
        return
    verified = check(folder, None if trust is None else read_trust(trust))
    if as_json:
        terminal.print_json({**document(verified), "folder": str(folder)})
        return
    show(verified, folder)


def verify_certificates(path: Path, as_json: bool) -> None:
    """Print each certificate that follows from its counts.

    Raises:
        DataError: There is none, or one does not follow.
    """
    # Imported here: numpy would slow the start of every command.
    from tiprdc.audit.evaluation.certificates import check_certificates

    file = path / "audit.json" if path.is_dir() else path
    audit = read_audit(file)
    checked = check_certificates(audit)
    if not checked:
        raise DataError(
            str(file), "the audit has no certificate: features take many values",
            hint="only a release of few values has one; attacks alone speak for the others",
        )  # fmt: skip
    faults = [fault for found in checked.values() for fault in found]
    if faults:
        raise DataError(
            str(file), "; ".join(faults), hint="do not rely on it: audit the model again"
        )
    bounds = {name: audit.attributes[name].certificate for name in checked}
    if as_json:
        terminal.print_json({n: c.bound for n, c in bounds.items() if c is not None})
        return
    for name, found in bounds.items():
        assert found is not None
        terminal.say(terminal.console(), Text(bounds_wording.certificate(name, found)))


def document(verified: VerifiedRelease) -> dict[str, Any]:
    """A verified release for programs."""
    release = verified.release
    return {
        "artifact": release.artifact,
        "version": release.version,
        "revision": release.revision,
        "verdict": release.audit.verdict,
        "suite_version": release.audit.suite_version,
        "model_sha256": release.model_sha256,
        "signed_by": verified.key.name if verified.key else None,
        "files": sorted(release.files),
    }


def show(verified: VerifiedRelease, folder: Path) -> None:
    """Print a verified release for a person, with the key that signed it."""
    console, release = terminal.console(), verified.release
    files = f"{release.name} in {folder}: {len(release.files)} files match the statement; "
    verdict = f"audit {release.audit.verdict} by suite {release.audit.suite_version}"
    terminal.say(console, Text(files + verdict))
    if verified.key:
        text = f"Signed by {verified.key.name} (key {verified.key.id[:16]})."
        terminal.say(console, Text(text))
    else:
        warning = (
            "Signature not checked: anybody who can write to the repository can make such a"
            " release. Give --trust KEYS."
        )
        terminal.say(console, Text(warning, style="yellow"))
