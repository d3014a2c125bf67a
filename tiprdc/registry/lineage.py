"""Trace a release back to its audit, data, settings, code and the stages that made it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from tiprdc.errors import ConfigError
from tiprdc.formats.files import sanitize
from tiprdc.formats.release_statement import AUDIT, Release, Variant
from tiprdc.registry import dvc_store
from tiprdc.registry.git import Git
from tiprdc.registry.pull import VerifiedRelease, absolute, open_release
from tiprdc.registry.remote import Remote
from tiprdc.registry.signing import TrustedKey
from tiprdc.registry.tags import read_registry
from tiprdc.registry.versions import Version

Stages = dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """The origin of a release.

    Args:
        name: "extractor@v1.2.0".
        verified: The release, and the key that signed it.
        version: As registered, with later audits.
        subject: First line of its commit's message, and the date.
        stages: Stage of the graph -> deps and outs -> path -> digest, as dvc.lock has them.
        broken: Sentences about links that do not hold.
    """

    name: str
    verified: VerifiedRelease
    version: Version
    subject: str
    stages: Stages
    broken: tuple[str, ...]

    def rows(self) -> list[tuple[str, str]]:
        """Label and value, for a person."""
        release, key = self.verified.release, self.verified.key
        data = release.training_data
        made_of = ("made of", _made_of(release.variant)) if release.variant else None
        return [
            ("signed by", key.name if key else "not checked (--trust KEYS)"),
            ("model", f"sha256 {release.model_sha256}"),
            *([made_of] if made_of else []),
            (
                "audit",
                _audit(
                    release.audit.verdict, release.audit.suite_version, release.files[AUDIT].sha256
                ),
            ),
            *(
                (
                    f"later audit {later.number}",
                    _audit(later.verdict, later.suite_version, later.sha256),
                )
                for later in self.version.reaudits
            ),
            ("status", self.version.blocked_reason or "in use"),
            ("training data", f"{data.dataset}, digest {data.digest}"),
            ("settings", f"params.yaml, sha256 {release.params_sha256}"),
            ("code", f"commit {release.revision}"),
            ("", self.subject),
        ]

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        release, key = self.verified.release, self.verified.key
        return {
            "release": self.name,
            "signed_by": key.name if key else None,
            "model_sha256": release.model_sha256,
            "variant": msgspec.to_builtins(release.variant),
            "audit": {
                "sha256": release.files[AUDIT].sha256,
                "verdict": release.audit.verdict,
                "suite_version": release.audit.suite_version,
                "later": [asdict(later) for later in self.version.reaudits],
            },
            "training_data": msgspec.to_builtins(release.training_data),
            "params_sha256": release.params_sha256,
            "revision": release.revision,
            "stages": self.stages,
            "broken": list(self.broken),
        }


def trace(source: str, name: str, trusted: Sequence[TrustedKey] | None) -> Lineage:
    """Trace a version to everything that made it.

    Args:
        source: Folder or Git URL of the repository.
        name: "extractor@v1.2.0".
        trusted: One of these keys must have signed it; None: signatures are not checked.

    Raises:
        ReleaseError: The version is not registered, its statement is wrong, or no trusted key
            signed it.
        ConfigError: The name is not of that form.
    """
    artifact, at, version_name = name.partition("@")
    if not at:
        raise ConfigError("VERSION", sanitize(name), "NAME@vX.Y.Z, e.g. extractor@v1.2.0")
    with tempfile.TemporaryDirectory(prefix="tiprdc-") as scratch:
        remote = Remote(absolute(source), Path(scratch))
        registry = read_registry(remote.tags(artifact), artifact)
        version = registry.version(version_name)
        verified = open_release(registry, version, trusted)
        git = remote.files(version.tag)
        with dvc_store.open_revision(git.folder, version.tag.commit) as repo:
            stages = dvc_store.provenance(repo)
        return Lineage(
            name=name,
            verified=verified,
            version=version,
            subject=sanitize(git("log", "-1", "--format=%s (%as)", version.tag.commit).strip()),
            stages=stages,
            broken=(
                *_broken_links(git, verified.release, stages),
                *_broken_variant(remote, verified.release),
            ),
        )


def _broken_links(git: Git, release: Release, stages: Stages) -> list[str]:
    """Links between the statement and its commit that do not hold."""
    broken = []
    if git.blob_sha256(release.revision, "params.yaml") != release.params_sha256:
        broken.append("params.yaml at the commit is not the one of the statement")
    outs = {path for sides in stages.values() for path, digest in sides["outs"].items() if digest}
    return broken + [
        f"{file.path}: no stage of the graph made it"
        for file in release.files.values()
        if not {file.path, *map(str, Path(file.path).parents)} & outs
    ]


def _broken_variant(remote: Remote, release: Release) -> list[str]:
    """A variant is made of a file that was released as the same version."""
    if release.variant is None:
        return []
    name = release.artifact.removesuffix(f"-{release.variant.name}")
    original = read_registry(remote.tags(name), name)
    version = original.versions.get(release.version)
    if version is None or original.release(version).model_sha256 != release.variant.of:
        return [f"{original.artifact}@{release.version} is not the file that this was made of"]
    return []


def _made_of(variant: Variant) -> str:
    return f"sha256 {variant.of}, as its variant {variant.name}"


def _audit(verdict: str, suite_version: str, sha256: str) -> str:
    return f"{verdict} by suite {suite_version}, sha256 {sha256}"
