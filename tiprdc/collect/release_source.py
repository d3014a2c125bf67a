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

from tiprdc.errors import ConfigError, TiprdcError
from tiprdc.formats.feature_batch import AcceptedRelease, accepted_release
from tiprdc.registry.pull import absolute, open_release, verify
from tiprdc.registry.remote import Remote
from tiprdc.registry.signing import TrustedKey
from tiprdc.registry.tags import read_registry
from tiprdc.registry.versions import Registry

_NAME = re.compile(r"(?P<artifact>[A-Za-z0-9][A-Za-z0-9._-]{0,99})@(?P<version>v[0-9.]{5,30})")
_EXPECTED = "a folder that `tiprdc pull` wrote, or NAME@VERSION"

_log = logging.getLogger(__name__)


class RegistryWatch:
    """Whether a version of a registry may still be used.

    Args:
        registry: Tags of an artifact, in a clone for this watch alone.
        version: "v1.2.0".

    Raises:
        ReleaseError: There is no such version.
    """

    def __init__(self, registry: Registry, version: str) -> None:
        self._registry, self._version = registry, version
        self._reason = registry.version(version).blocked_reason

    def blocked_reason(self) -> str:
        """Why the version is not to be used, or "": as of the last reading."""
        return self._reason

    def refresh(self) -> None:
        """Fetch new tags and read them.

        Raises:
            ReleaseError: The registry does not answer; the last reading stays.
        """
        git, artifact = self._registry.git, self._registry.artifact
        git.fetch_tags("origin", [f"{artifact}@*", f"{artifact}+*"])
        self._reason = read_registry(git, artifact).version(self._version).blocked_reason


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
        return accepted_release(release), None
    versions = read_registry(registry.tags(release.artifact), release.artifact)
    return accepted_release(release), RegistryWatch(versions, release.version)


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
    versions = read_registry(registry.tags(artifact), artifact)
    release = open_release(versions, versions.version(version), trusted).release
    return accepted_release(release), RegistryWatch(versions, version)
