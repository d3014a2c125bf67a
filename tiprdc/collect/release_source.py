"""Which version a collector takes: that of a pulled folder, or one of a registry by its name.

With a registry, its tags are read again from time to time: a version that was deprecated, or failed
a later audit, is refused from then on.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from tiprdc.errors import ConfigError, DataError, ReleaseError, TiprdcError
from tiprdc.formats.feature_batch import AcceptedRelease, accepted_release
from tiprdc.formats.release_statement import Release
from tiprdc.registry.git import Git
from tiprdc.registry.pull import absolute, open_release, verify
from tiprdc.registry.remote import Remote
from tiprdc.registry.signing import TrustedKey
from tiprdc.registry.tags import read_registry

_NAME = re.compile(r"(?P<artifact>[A-Za-z0-9][A-Za-z0-9._-]{0,99})@(?P<version>v[0-9.]{5,30})")
_EXPECTED = "a folder that `tiprdc pull` wrote, or NAME@VERSION"

_log = logging.getLogger(__name__)


class RegistryWatch:
    """Whether a version of a registry may still be used.

    Args:
        git: A clone of the registry, for this watch alone.
        artifact, version: "extractor", "v1.2.0".

    Raises:
        ReleaseError: There is no such version.
    """

    def __init__(self, git: Git, artifact: str, version: str) -> None:
        self._git, self._artifact, self._version = git, artifact, version
        self._reason = self._read()

    def blocked_reason(self) -> str:
        """Why the version is not to be used, or "": as of the last reading."""
        return self._reason

    def refresh(self) -> None:
        """Fetch new tags and read them.

        Raises:
            ReleaseError: The registry does not answer; the last reading stays.
        """
        self._git.fetch_tags("origin", [f"{self._artifact}@*", f"{self._artifact}+*"])
        self._reason = self._read()

    def _read(self) -> str:
        registry = read_registry(self._git, self._artifact)
        return registry.version(self._version).blocked_reason


def keep_fresh(
    watch: RegistryWatch, seconds: float, failed: Callable[[], None], stop: threading.Event
) -> threading.Thread:
    """Refresh a watch from time to time in a thread, until `stop` is set.

    Args:
        watch: What is refreshed.
        seconds: Between two readings.
        failed: Called when the registry could not be read.
        stop: Ends the thread.
    """

    def run() -> None:
        while not stop.wait(seconds):
            try:
                watch.refresh()
            except TiprdcError:
                _log.warning("the registry cannot be read: its last reading stays in force")
                failed()

    thread = threading.Thread(target=run, name="registry", daemon=True)
    thread.start()
    return thread


def open_source(
    source: str, repo: str | None, trusted: Sequence[TrustedKey] | None, work: Path
) -> tuple[AcceptedRelease, RegistryWatch | None]:
    """The version to accept, and its watch if there is a registry.

    Args:
        source: A pulled folder, or "extractor@v1.2.0".
        repo: Folder or Git URL of the registry; needed for a name.
        trusted: One of these keys must have signed the release; None: signatures are not checked.
        work: An empty folder for a clone of the registry.

    Raises:
        ConfigError: The source is neither, or a name without a registry.
        DataError: Features of this release are too large for a batch.
        ReleaseError: A file, a tag or a signature is wrong.
    """
    registry = Remote(absolute(repo), work) if repo else None
    if not Path(source).is_dir():
        return _registered(source, registry, trusted)
    release = verify(Path(source), trusted).release
    if registry is None:
        return _accepted(release), None
    git = registry.tags(release.artifact)
    return _accepted(release), RegistryWatch(git, release.artifact, release.version)


def _registered(
    source: str, registry: Remote | None, trusted: Sequence[TrustedKey] | None
) -> tuple[AcceptedRelease, RegistryWatch]:
    match = _NAME.fullmatch(source)
    if not match:
        raise ConfigError("RELEASE", "no such folder, and no NAME@VERSION", _EXPECTED)
    if registry is None:
        hint = "add --repo with the folder or URL of the registry"
        raise ConfigError("--repo", "not given, but RELEASE is a name", hint=hint)
    artifact, version = match.groups()
    git = registry.tags(artifact)
    versions = read_registry(git, artifact)
    release = open_release(versions, versions.version(version), trusted).release
    return _accepted(release), RegistryWatch(git, artifact, version)


def _accepted(release: Release) -> AcceptedRelease:
    try:
        accepted = accepted_release(release)
    except msgspec.ValidationError:
        raise ReleaseError(release.name, "its statement describes no features") from None
    if not accepted.records_per_batch:
        raise DataError(release.name, "features of one record are larger than a batch may be")
    return accepted
