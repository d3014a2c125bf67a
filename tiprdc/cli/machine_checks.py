"""Checks of this machine for `tiprdc doctor`: packages, disk space, key files, a release.

The checks change nothing, and import nothing that may be broken: versions are read from package
metadata, git and dvc run as commands. No address, key or password is printed.
"""

from __future__ import annotations

import json
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from tiprdc.errors import ReleaseError, TiprdcError
from tiprdc.formats.files import sanitize
from tiprdc.formats.manifest import MODEL
from tiprdc.registry import git_command
from tiprdc.registry.git import Git
from tiprdc.registry.signing import is_private_key, tracked_private_keys

State = Literal["ok", "warning", "problem"]

BARE = ("msgspec", "numpy", "onnxruntime", "pillow", "rich", "typer")
"""Packages of the bare install."""
EXTRAS = {"torch": "train", "ray": "cluster", "dvc": "pull", "gto": "pull", "onnx": "audit"}
"""Package -> the extra that brings it."""
_AMPLE_SPACE = 5 * 2**30
_MIN_SPACE = 2**29


@dataclass(frozen=True, kw_only=True)
class Check:
    """Outcome of one check.

    Args:
        subject: What was checked.
        state: "ok"; "warning" for what matters only to some; "problem" for what stops something.
        result: What the check gave.
        hint: The step that helps, or empty.
    """

    subject: str
    state: State
    result: str
    hint: str = ""


def run_command(*command: str, folder: Path, seconds: float = 20.0) -> str | None:
    """Standard output of a command, or None if it fails, is not installed or needs a password."""
    # DVC wraps its lists at the terminal's width, also into a pipe.
    settings = {"SSH_ASKPASS_REQUIRE": "never", "COLUMNS": "10000"}
    try:
        process = subprocess.run(
            command, cwd=folder, env=git_command.environment() | settings,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            # Without a terminal no program can ask for a password there.
            start_new_session=True, timeout=seconds,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return process.stdout if process.returncode == 0 else None


def run_git(verb: str, *arguments: str, folder: Path) -> str | None:
    """The same for git, independent of the user's configuration and hooks."""
    return run_command(*git_command.command(verb, *arguments), folder=folder)


def versions(folder: Path) -> Iterator[Check]:
    """Check Python and the packages, against the pins of constraints.txt if there is one."""
    pins = _pins(folder / "constraints.txt")
    python = platform.python_version()
    supported = sys.version_info >= (3, 11)
    yield Check(
        subject="python", state="ok" if supported else "problem", result=python,
        hint="" if supported else "install Python 3.11 or newer",
    )  # fmt: skip
    for name in (*BARE, *EXTRAS):
        yield _version(name, pins.get(name))


def space(folder: Path) -> Iterator[Check]:
    """Check the free space in the folder and for temporary files."""
    for subject, path in (("space", folder), ("temporary files", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(path).free
        state: State = (
            "ok" if free >= _AMPLE_SPACE else "warning" if free >= _MIN_SPACE else "problem"
        )
        yield Check(
            subject=subject, state=state, result=f"{free / 2**30:,.1f} GiB free",
            hint="" if state == "ok" else "delete files, or set TMPDIR to a folder on another disk",
        )  # fmt: skip


def keys(folder: Path) -> Iterator[Check]:
    """Check that private keys are readable by their owner alone and not in Git, and trust files."""
    tracked: list[str] = []
    with suppress(ReleaseError):
        tracked = tracked_private_keys(Git(folder))
    for name in map(sanitize, tracked):
        yield Check(
            subject="key", state="problem", result=f"{name} is a private key and is in Git",
            hint=f"make a new key, git rm --cached {name}; the history still contains this key",
        )  # fmt: skip
    for path in sorted(folder.iterdir()):
        name = sanitize(path.name)
        if path.name not in tracked and is_private_key(path):
            yield _private_key(path, name)
        elif path.name.endswith(".trust.json") and path.is_file():
            writable = bool(path.stat().st_mode & 0o022)
            yield Check(
                subject="trust", state="problem" if writable else "ok",
                result=f"other users can change {name}" if writable
                else f"only you can change {name}",
                hint=f"chmod go-w {name}" if writable else "",
            )  # fmt: skip


def release(folder: Path) -> Iterator[Check]:
    """Check that the release in the folder, or where `export` puts it, opens."""
    for path in (folder, folder / "artifacts" / "release"):
        if not (path / "manifest.json").is_file():
            continue
        from tiprdc.runtime.extractor import Extractor

        try:
            extractor = Extractor.load(path)
        except TiprdcError as error:
            given = f"{error.where}: {error.given}"
            hint = error.hint or "pull or export it again"
            yield Check(subject="release", state="problem", result=given, hint=hint)
        else:
            digest = extractor.contract.model_sha256[:12]
            yield Check(subject="release", state="ok", result=f"{MODEL} {digest} opens")


def project(folder: Path) -> Iterator[Check]:
    """Run the project's own checks, if the folder is a clone of it and Ray is installed."""
    if not (folder / "pipelines" / "doctor.py").is_file() or find_spec("ray") is None:
        return
    # In a process of its own: it imports torch and Ray, of which one may be broken.
    listed = run_command(sys.executable, "-m", "pipelines.doctor", folder=folder, seconds=120)
    if listed is None:
        yield Check(
            subject="settings", state="problem", result="the project's own checks do not run",
            hint="run `python -m pipelines.doctor` to see why",
        )  # fmt: skip
        return
    for check in json.loads(listed):
        sanitized: dict[str, Any] = {key: sanitize(value) for key, value in check.items()}
        yield Check(**sanitized)


def _version(name: str, pin: str | None) -> Check:
    extra = EXTRAS.get(name)
    try:
        # The local part, such as +cpu, names the build, not the version.
        result = version(name).split("+")[0]
    except PackageNotFoundError:
        requirement = f"tiprdc[{extra}]" if extra else "tiprdc"
        return Check(
            subject=name, state="warning" if extra else "problem", result="not installed",
            hint=f"pip install '{requirement}'" + (" if you need it" if extra else ""),
        )  # fmt: skip
    if pin is not None and pin != result:
        return Check(
            subject=name, state="warning", result=f"{result}, but constraints.txt pins {pin}",
            hint=f"pip install -c constraints.txt {name}",
        )  # fmt: skip
    return Check(subject=name, state="ok", result=result)


def _pins(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    split = (line.partition("==") for line in lines if not line.startswith("#"))
    return {name.strip().lower(): pin.strip() for name, _, pin in split if pin}


def _private_key(path: Path, name: str) -> Check:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Check(
            subject="key", state="problem", result=f"other users can read {name} ({mode:04o})",
            hint=f"chmod 600 {name}",
        )  # fmt: skip
    return Check(subject="key", state="ok", result=f"only you can read {name}")
