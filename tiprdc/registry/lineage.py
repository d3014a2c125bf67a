"""From a release back to what made it: audit, data, settings, code, and the graph between them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tiprdc.errors import ConfigError
from tiprdc.formats.files import sanitize
from tiprdc.formats.release_statement import AUDIT, Release
from tiprdc.registry import dvc_store
from tiprdc.registry.git import Git, clone
from tiprdc.registry.pull import VerifiedRelease, absolute, open_release
from tiprdc.registry.signing import TrustedKey
from tiprdc.registry.versions import Version

Stages = dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where a release comes from.

    Args:
        name: "extractor@v1.2.0".
        checked: The release, and who vouches for it.
        version: As registered, with later audits.
        subject: First line of its commit's message.
        stages: Stage of the graph -> deps and outs -> path -> digest, as dvc.lock has them.
        broken: Links that do not hold.
    """

    name: str
    checked: VerifiedRelease
    version: Version
    subject: str
    stages: Stages
    broken: tuple[str, ...]

    def rows(self) -> list[tuple[str, str]]:
        """What leads where, for a person."""
        release, key = self.checked.release, self.checked.key
        made_of = ("made of", _made_of(release.variant)) if release.variant else None
        return [
            ("vouched for by", key.name if key else "nobody was asked (--trust KEYS)"),
            ("model", f"sha256 {release.model_sha256}"),
            *([made_of] if made_of else []),
            ("audit", _audit(release.verdict, release.suite_version, release.files[AUDIT].sha256)),
            *(
                (f"later audit {n.number}", _audit(n.verdict, n.suite_version, n.sha256))
                for n in self.version.reaudits
            ),
            ("standing", self.version.objection or "nobody objects"),
            ("training data", f"{release.dataset}, digest {release.data_digest}"),
            ("settings", f"params.yaml, sha256 {release.params_sha256}"),
            ("code", f"commit {release.revision}"),
            ("", self.subject),
        ]

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        release, key = self.checked.release, self.checked.key
        return {
            "release": self.name,
            "vouched_by": key.name if key else None,
            "model_sha256": release.model_sha256,
            "variant": release.raw.get("variant"),
            "audit": {
                "sha256": release.files[AUDIT].sha256,
                "verdict": release.verdict,
                "suite_version": release.suite_version,
                "later": [asdict(later) for later in self.version.reaudits],
            },
            "training_data": {"dataset": release.dataset, "digest": release.data_digest},
            "params_sha256": release.params_sha256,
            "revision": release.revision,
            "stages": self.stages,
            "broken": list(self.broken),
        }


def trace(source: str, name: str, trusted: Sequence[TrustedKey] | None) -> Lineage:
    """Walk from a version to everything that made it.

    Args:
        source: Folder or Git URL of the repository.
        name: "extractor@v1.2.0".
        trusted: One of these must have signed it; None: nobody is asked.

    Raises:
        ReleaseError: The version is not registered, or its statement is not about itself.
        ConfigError: The name is not of that form.
    """
    artifact, at, version_name = name.partition("@")
    if not at:
        raise ConfigError("VERSION", sanitize(name), "NAME@vX.Y.Z, e.g. extractor@v1.2.0")
    with tempfile.TemporaryDirectory(prefix="tiprdc-") as scratch:
        git = clone(absolute(source), Path(scratch, "clone"))
        found = dvc_store.read(git, artifact)
        version = found.version(version_name)
        checked = open_release(found, version, trusted)
        with dvc_store.opened(git.folder, version.tag.commit) as repo:
            stages = dvc_store.provenance(repo)
        return Lineage(
            name=name,
            checked=checked,
            version=version,
            subject=sanitize(git("log", "-1", "--format=%s (%as)", version.tag.commit).strip()),
            stages=stages,
            broken=tuple(_broken(git, checked, stages)),
        )


def _broken(git: Git, checked: VerifiedRelease, stages: Stages) -> list[str]:
    """Links between the statement and its commit that do not hold."""
    release, said = checked.release, []
    if dvc_store.sha256_at(git, release.revision, "params.yaml") != release.params_sha256:
        said.append("params.yaml at the commit is not the one of the statement")
    said += _broken_variant(git, release)
    made = {path for sides in stages.values() for path, digest in sides["outs"].items() if digest}
    return said + [
        f"{file.path}: no stage of the graph made it"
        for file in release.files.values()
        if not {file.path, *map(str, Path(file.path).parents)} & made
    ]


def _broken_variant(git: Git, release: Release) -> list[str]:
    """A variant is of a file that was released as the same version."""
    if release.variant is None:
        return []
    name, of = release.variant
    original = dvc_store.read(git, release.artifact.removesuffix(f"-{name}"))
    version = original.versions.get(release.version)
    if version is None or original.release(version).model_sha256 != of:
        return [f"{original.artifact}@{release.version} is not the file that this was made of"]
    return []


def _made_of(variant: tuple[str, str]) -> str:
    name, of = variant
    return f"sha256 {of}, as its variant {name}"


def _audit(verdict: str, suite_version: str, sha256: str) -> str:
    return f"{verdict} by suite {suite_version}, sha256 {sha256}"
