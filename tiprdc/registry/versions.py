"""Versions, lifecycle stages and later audits of one artifact in the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tiprdc.errors import ReleaseError, suggestion
from tiprdc.formats.envelope import Envelope, parse_envelope
from tiprdc.formats.release_statement import Release, parse_release, version_key
from tiprdc.registry.git import Git, Tag

Bump = Literal["major", "minor", "patch"]

NO_TAGS = "a clone without tags? `git fetch --tags` (and `--unshallow`)"


@dataclass(frozen=True, kw_only=True)
class Reaudit:
    """Result of a later audit of a version.

    Args:
        number: 1 for the first.
        suite_version: Of its attacks.
        verdict: PASS, FAIL or INCONCLUSIVE; "unreadable" if the tag cannot be read.
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
        tag: The tag that registers it.
        deprecated: Reason of its deprecation; None if it is not deprecated.
        reaudits: Later audits of it, in order.
    """

    name: str
    tag: Tag
    deprecated: str | None
    reaudits: tuple[Reaudit, ...]

    @property
    def blocked_reason(self) -> str:
        """Why it is not pulled, or "": deprecated, or the last later audit is no PASS."""
        if self.deprecated is not None:
            return f"was deprecated: {self.deprecated}"
        if self.reaudits and self.reaudits[-1].verdict != "PASS":
            last = self.reaudits[-1]
            return f"a later audit (suite {last.suite_version}) has the verdict {last.verdict}"
        return ""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A version in a lifecycle stage; `number` is counted per artifact."""

    stage: str
    number: int
    tag: Tag


@dataclass(frozen=True, kw_only=True)
class Registry:
    """One artifact in a repository's tags.

    Args:
        git: The repository.
        artifact: Its name.
        versions: In ascending order.
        stages: Lifecycle stage -> its last assignment.
        counter: Highest number of an assignment; 0 if there is none.
    """

    git: Git
    artifact: str
    versions: dict[str, Version]
    stages: dict[str, Assignment]
    counter: int

    def in_stage(self, stage: str) -> Version:
        """The version in a lifecycle stage.

        Raises:
            ReleaseError: There is none, or its tag names a commit that is no version.
        """
        if stage not in self.stages:
            raise ReleaseError(
                f"{self.artifact}#{stage}", "no version is in this stage",
                ", ".join(sorted(self.stages)), suggestion(stage, self.stages) or NO_TAGS,
            )  # fmt: skip
        tag = self.stages[stage].tag
        for version in reversed(self.versions.values()):
            if version.tag.commit == tag.commit:
                return version
        raise ReleaseError(tag.name, "its commit is no registered version")

    def version(self, name: str) -> Version:
        """A version by its name.

        Raises:
            ReleaseError: There is no such version.
        """
        version_key(name)
        if name not in self.versions:
            known = ", ".join(self.versions)
            raise ReleaseError(f"{self.artifact}@{name}", "not registered", known, NO_TAGS)
        return self.versions[name]

    def stages_of(self, version: Version) -> list[str]:
        """Lifecycle stages of a version."""
        return sorted(s for s, a in self.stages.items() if a.tag.commit == version.tag.commit)

    def envelope(self, version: Version) -> Envelope:
        """The envelope in a version's tag; its signatures are not checked here.

        Raises:
            ReleaseError: The tag holds none: it was not made by a release.
        """
        return self._envelope(version.tag)

    def release(self, version: Version) -> Release:
        """A version's statement, compared with its tag.

        Raises:
            ReleaseError: There is none, or it is about another artifact, version or commit.
        """
        tag = version.tag
        release = parse_release(self.envelope(version), tag.name)
        stated = (release.artifact, release.version, release.revision)
        if stated != (self.artifact, version.name, tag.commit):
            raise ReleaseError(
                tag.name, f"its statement is about {release.name} of {release.revision[:12]},"
                f" the tag is at {tag.commit[:12]}",
                hint="the tag was moved: ask the people who may push tags",
            )  # fmt: skip
        return release

    def promotion(self, assignment: Assignment) -> Envelope:
        """The envelope in the tag of a lifecycle stage; its signatures are not checked here.

        Raises:
            ReleaseError: The tag holds none.
        """
        return self._envelope(assignment.tag)

    def _envelope(self, tag: Tag) -> Envelope:
        return parse_envelope(envelope_text(self.git.message(tag), tag.name), tag.name)


def next_version(known: list[str], bump: Bump) -> str:
    """The version after the last of the known ones, which are in ascending order."""
    major, minor, patch = version_key(known[-1]) if known else (0, 0, 0)
    numbers = {
        "major": (major + 1, 0, 0),
        "minor": (major, minor + 1, 0),
        "patch": (major, minor, patch + 1),
    }[bump]
    return "v" + ".".join(map(str, numbers))


def envelope_text(message: str, where: str) -> str:
    """The line of JSON in a tag's message.

    Raises:
        ReleaseError: There is none.
    """
    for line in message.splitlines():
        if line.startswith("{"):
            return line
    raise ReleaseError(
        where, "a tag without a statement",
        hint="pull a version made by `python -m pipelines.release`; this one has no audit",
    )  # fmt: skip
