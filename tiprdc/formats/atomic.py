"""Atomic writes: a file or a folder appears complete, or stays as it was.

New content is written beside the target, synced to disk, and moved over it with a rename. The
temporary entry is locked while its process lives. The next write of the same target deletes what
killed processes left, which nobody locks.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tiprdc.errors import ConfigError

_PAYLOAD, _PREVIOUS = "payload", "previous"


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary stream whose content replaces `path` if the block succeeds.

    Args:
        path: File to write; it may exist. Its parent exists. A symbolic link is replaced by the
            new file, not followed.

    Raises:
        OSError: The folder or the disk does not allow it; `path` is unchanged.
    """
    prefix = f".{path.name}.partial-"
    _remove_stale(path.parent, prefix)
    partial = path.with_name(prefix + secrets.token_hex(8))
    try:
        with partial.open("xb") as stream:
            # Some file systems have no locks; the write is atomic there too.
            with contextlib.suppress(OSError):
                _lock(stream.fileno())
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            if os.name == "nt":
                stream.close()
            partial.replace(path)  # before the lock goes with the stream
    finally:
        partial.unlink(missing_ok=True)
    _sync(path.parent)


@contextlib.contextmanager
def atomic_directory(
    target: Path, *, replace: bool = False, allow_links: bool = False
) -> Iterator[Path]:
    """Make a new folder that becomes `target` if the block succeeds, and is deleted otherwise.

    The payload folder lies in a working folder of its own, in which the block may keep other files:
    `payload.with_name("clone")` is deleted in any case.

    Args:
        target: Folder to make. Its parent exists.
        replace: Whether an existing folder with content is replaced. It stays in place until the
            new one is complete; a kill between the two renames is repaired by the next call.
        allow_links: Whether the path may lead through symbolic links.

    Raises:
        ConfigError: The target exists (without `replace`), is not a folder, a link leads to it, or
            it cannot be written.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100  # links are refused, not followed
    if allow_links:
        target = target.resolve()
    prefix = f".{target.name}.partial-"
    with _as_config_error(target):
        _check_target(target, replace=replace)
        _remove_stale(target.parent, prefix, target if replace else None)
        work = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    lock: int | None = None
    try:
        with _as_config_error(target):
            lock = _lock_folder(work)
            payload = work / _PAYLOAD
            payload.mkdir()
        yield payload
        with _as_config_error(target):
            _sync_tree(payload)
            _check_target(target, replace=replace)
            _move(payload, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@contextlib.contextmanager
def _as_config_error(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        given = error.strerror or "cannot be written"
        raise ConfigError(str(target), given, hint="choose a folder that can be written") from error


def _check_target(target: Path, *, replace: bool) -> None:
    for place in (target, *target.parents):
        if place.is_symlink():
            raise ConfigError(
                str(place), "a symbolic link", "a path without links", f"give {target.resolve()}"
            )
    if not target.parent.is_dir():
        raise ConfigError(str(target.parent), "no such folder", hint=f"mkdir -p {target.parent}")
    if not target.exists() or (target.is_dir() and (replace or not any(target.iterdir()))):
        return
    hint = "choose another folder, or delete this one"
    raise ConfigError(str(target), "already exists", "a new folder", hint)


def _move(payload: Path, target: Path) -> None:
    """Rename the payload to the target; an old target is restored if that fails."""
    previous = payload.with_name(_PREVIOUS)
    if target.exists():
        target.rename(previous)
    try:
        payload.rename(target)
    except OSError:
        if previous.exists():
            previous.rename(target)
        raise
    _sync(target.parent)


def _remove_stale(parent: Path, prefix: str, restore: Path | None = None) -> None:
    """Delete temporary entries of killed processes: their locks are free.

    Args:
        parent: Where they are.
        prefix: Of their names.
        restore: Target to which a folder that was moved aside goes back, if nothing is there.
    """
    for name in [entry.name for entry in os.scandir(parent) if entry.name.startswith(prefix)]:
        stale = parent / name
        with contextlib.suppress(OSError):
            descriptor = os.open(stale, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            try:
                if not _lock(descriptor):
                    continue
                if restore and (stale / _PREVIOUS).is_dir() and not restore.exists():
                    (stale / _PREVIOUS).rename(restore)
                if stale.is_dir():
                    shutil.rmtree(stale, ignore_errors=True)
                else:
                    stale.unlink()
            finally:
                os.close(descriptor)


def _lock_folder(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock until it is closed or its process dies."""
    if os.name == "nt":
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _lock(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int) -> bool:
    """Lock an open file or folder; False where the system has no such locks.

    Raises:
        OSError: Another process holds the lock.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        return False
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True


def _sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            _sync(path)


def _sync(path: Path) -> None:
    """Write a file or a folder's entries to disk."""
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
