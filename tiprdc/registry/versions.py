"""Versions, lifecycle stages and later audits of one artifact, as the tags of a repository say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tiprdc.errors import ReleaseError, suggestion
from tiprdc.formats.release_statement import (
    Envelope,
    Release,
    parse_envelope,
    parse_release,
    version_key,
)
from tiprdc.registry.git import Git, Tag

Bump = Literal["major", "minor", "patch"]

NO_TAGS = "a clone without tags? `git fetch --tags` (and `--unshallow`)"


@dataclass(frozen=True, kw_only=True)
class Reaudit:
    """What a later audit of a version found.

    Args:
        number: 1 for the first.
        suite_version: Of its attacks.
        verdict: PASS, FAIL or INCONCLUSIVE.
        sha256: Of its audit.json.
    """

    number: int
    suite_version: str
    verdict: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Version:
    """A registered version.

    Args:
        name: "v1.2.0".
        tag: That makes it.
        withdrawn: Why it was taken back; None if it was not.
        reaudits: Later audits of it, in order.
    """

    name: str
    tag: Tag
    withdrawn: str | None
    reaudits: tuple[Reaudit, ...]

    @property
    def objection(self) -> str:
        """Why nobody should use it, or nothing."""
        if self.withdrawn is not None:
            return f"was deprecated: {self.withdrawn}"
        if self.reaudits and self.reaudits[-1].verdict != "PASS":
            last = self.reaudits[-1]
            return f"a later audit (suite {last.suite_version}) says {last.verdict}"
        return ""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """The lifecycle stage of a version, by the tag of the highest number."""

    stage: str
    number: int
    tag: Tag


@dataclass(frozen=True, kw_only=True)
class Registry:
    """What the tags of a repository say of one artifact.

    Args:
        git: The repository.
        artifact: Its name.
        versions: In ascending order.
        stages: Lifecycle stage -> its last assignment.
        counter: Highest number that an assignment has.
    """

    git: Git
    artifact: str
    versions: dict[str, Version]
    stages: dict[str, Assignment]
    counter: int

    def in_stage(self, stage: str) -> Version:
        """The version that is in a lifecycle stage.

        Raises:
            ReleaseError: None is, or its tag names a commit that is no version.
        """
        if stage not in self.stages:
            raise ReleaseError(
                f"{self.artifact}#{stage}", "no version is in that stage",
                ", ".join(sorted(self.stages)) or "none is in any stage",
                suggestion(stage, self.stages) or NO_TAGS,
            )  # fmt: skip
        tag = self.stages[stage].tag
        for version in reversed(self.versions.values()):
            if version.tag.commit == tag.commit:
                return version
        raise ReleaseError(tag.name, "names a commit that is no version", "a registered version")

    def version(self, name: str) -> Version:
        """A version by its name.

        Raises:
            ReleaseError: There is no such version.
        """
        version_key(name)
        if name not in self.versions:
            known = ", ".join(self.versions) or "no version at all"
            raise ReleaseError(f"{self.artifact}@{name}", "not registered", known, NO_TAGS)
        return self.versions[name]

    def stages_of(self, version: Version) -> list[str]:
        """Lifecycle stages that a version is in."""
        return sorted(s for s, a in self.stages.items() if a.tag.commit == version.tag.commit)

    def envelope(self, version: Version) -> Envelope:
        """The statement in a version's tag, with its signatures.

        Raises:
            ReleaseError: The tag holds none: it was made by other means than a release.
        """
        where = version.tag.name
        return parse_envelope(document(self.git.message(version.tag), where), where)

    def release(self, version: Version) -> Release:
        """A version's statement, held against its tag.

        Raises:
            ReleaseError: There is none, or it is about another artifact, version or commit.
        """
        release = parse_release(self.envelope(version).statement, version.tag.name)
        said = (release.artifact, release.version, release.revision)
        if said != (self.artifact, version.name, version.tag.commit):
            raise ReleaseError(
                version.tag.name,
                f"says it is {said[0]}@{said[1]} of {said[2][:12]}, at {version.tag.commit[:12]}",
                "a statement about itself", "somebody moved the tag: ask who may push tags",
            )  # fmt: skip
        return release

    def promotion(self, assignment: Assignment) -> Envelope:
        """The statement in the tag of a lifecycle stage.

        Raises:
            ReleaseError: The tag holds none.
        """
        where = assignment.tag.name
        return parse_envelope(document(self.git.message(assignment.tag), where), where)


def next_version(known: list[str], bump: Bump) -> str:
    """The version after the last of these, which are in ascending order."""
    major, minor, patch = version_key(known[-1]) if known else (0, 0, 0)
    numbers = {
        "major": (major + 1, 0, 0),
        "minor": (major, minor + 1, 0),
        "patch": (major, minor, patch + 1),
    }[bump]
    return "v" + ".".join(map(str, numbers))


def document(message: str, where: str) -> str:
    """The line of JSON in a tag's message.

    Raises:
        ReleaseError: There is none.
    """
    for line in message.splitlines():
        if line.startswith("{"):
            return line
    raise ReleaseError(
        where, "a tag without a statement", "a version made by `python -m pipelines.release`",
        "a version that was made by hand has no audit to show",
    )  # fmt: skip
