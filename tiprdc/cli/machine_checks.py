"""What stands in the way of an extractor on this machine, each finding with a hint.

Nothing is changed and nothing is imported that could be broken: versions come from what is
installed, git and dvc are asked as commands. No address, key or password is repeated.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from tiprdc.errors import TiprdcError
from tiprdc.formats.files import sanitize
from tiprdc.formats.manifest import MODEL

State = Literal["ok", "warning", "problem"]

BARE = ("numpy", "onnxruntime", "pillow", "rich", "typer")
EXTRAS = {"torch": "train", "ray": "cluster", "dvc": "pull", "gto": "pull", "onnx": "audit"}
"""Package -> the extra that brings it."""
_ENOUGH = 5 * 2**30
_LEAST = 2**29
_PRIVATE = b"-----BEGIN"
_SMALL = 16_384


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Args:
        about: What.
        state: ok; warning, which only matters to some; problem, which stops something.
        found: What is there.
        hint: What to do, or nothing.
    """

    about: str
    state: State
    found: str
    hint: str = ""


def ask(*command: str, folder: Path, seconds: float = 20.0) -> str | None:
    """What a command prints, or None if it fails, is not there, or wants to be told a password."""
    silent = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
    try:
        ended = subprocess.run(
            command, cwd=folder, env={**os.environ, **silent}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=seconds,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout if ended.returncode == 0 else None


def versions(folder: Path) -> Iterator[Finding]:
    """Python and the packages, beside what constraints.txt pins where there is one."""
    pins = _pins(folder / "constraints.txt")
    python = platform.python_version()
    good = sys.version_info >= (3, 11)
    yield Finding(
        about="python", state="ok" if good else "problem", found=python,
        hint="" if good else "install Python 3.11 or newer",
    )  # fmt: skip
    for name in (*BARE, *EXTRAS):
        yield _version(name, pins.get(name))


def space(folder: Path) -> Iterator[Finding]:
    """Free space where we are, and where temporary files go."""
    for about, place in (("space", folder), ("temporary files", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(place).free
        state: State = "ok" if free >= _ENOUGH else "warning" if free >= _LEAST else "problem"
        yield Finding(
            about=about, state=state, found=f"{free / 2**30:,.1f} GiB free",
            hint="" if state == "ok" else "free some, or `make clean`; set TMPDIR to another disk",
        )  # fmt: skip


def keys(folder: Path) -> Iterator[Finding]:
    """Private keys that others can read or that Git holds; trust files that others can change."""
    tracked = set((ask("git", "ls-files", "-z", folder=folder) or "").split("\0"))
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _SMALL:
            continue
        name, mode = sanitize(path.name), stat.S_IMODE(path.stat().st_mode)
        if _is_private(path):
            yield _private_key(path, name, mode, tracked)
        elif path.name.endswith(".trust.json"):
            open_ = bool(mode & 0o022)
            yield Finding(
                about="trust", state="problem" if open_ else "ok",
                found=f"{name} can be changed by others" if open_ else f"{name} is yours to change",
                hint=f"chmod go-w {name}" if open_ else "",
            )  # fmt: skip


def release(folder: Path) -> Iterator[Finding]:
    """Whether a release, here or where `export` puts it, opens."""
    for place in (folder, folder / "artifacts" / "release"):
        if not (place / "manifest.json").is_file():
            continue
        from tiprdc.runtime.extractor import Extractor

        try:
            extractor = Extractor.load(place)
        except TiprdcError as error:
            given = f"{error.where}: {error.given}"
            hint = error.hint or "fetch or export it again"
            yield Finding(about="release", state="problem", found=given, hint=hint)
        else:
            digest = extractor.contract.model_sha256[:12]
            yield Finding(about="release", state="ok", found=f"{MODEL} {digest} opens")


def _version(name: str, pin: str | None) -> Finding:
    extra = EXTRAS.get(name)
    try:
        # A local part, +cpu, says where a build comes from, not what it is.
        found = version(name).split("+")[0]
    except PackageNotFoundError:
        wanted = f"tiprdc[{extra}]" if extra else "tiprdc"
        return Finding(
            about=name, state="warning" if extra else "problem", found="not installed",
            hint=f"pip install '{wanted}'" + (" if you need it" if extra else ""),
        )  # fmt: skip
    if pin is not None and pin != found:
        return Finding(
            about=name, state="warning", found=f"{found}, and constraints.txt pins {pin}",
            hint=f"pip install -c constraints.txt {name}",
        )  # fmt: skip
    return Finding(about=name, state="ok", found=found)


def _pins(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    split = (line.partition("==") for line in lines if not line.startswith("#"))
    return {name.strip().lower(): pin.strip() for name, _, pin in split if pin}


def _is_private(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return False
    return head.startswith(_PRIVATE) and b"PRIVATE KEY" in head


def _private_key(path: Path, name: str, mode: int, tracked: set[str]) -> Finding:
    if path.name in tracked:
        return Finding(
            about="key", state="problem", found=f"{name} is a private key and is in Git",
            hint=f"make a new key; git rm --cached {name}; whoever has the history has this one",
        )  # fmt: skip
    if mode & 0o077:
        return Finding(
            about="key", state="problem", found=f"{name} can be read by others ({mode:04o})",
            hint=f"chmod 600 {name}",
        )  # fmt: skip
    return Finding(about="key", state="ok", found=f"{name} is readable by you alone")
