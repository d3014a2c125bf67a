"""The statement of a release and of a promotion: JSON models, checked before any use.

A release statement is kept in the annotated tag that makes the version. It is an in-toto statement:
its subjects are the released files by sha256, its predicate is `Release`. All input comes from an
untrusted repository; no name of it reaches a disk unchecked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

import msgspec

from tiprdc.errors import ReleaseError
from tiprdc.formats.envelope import (
    Digest,
    Envelope,
    Sha256,
    Statement,
    Subject,
    parse_statement,
)
from tiprdc.formats.files import sanitize

RELEASE_TYPE = "urn:tiprdc:release:v1"
PROMOTION_TYPE = "urn:tiprdc:promotion:v1"
"""Types of our predicates: even a signed promotion is never read as a release."""

STATEMENT = "release.json"
BOM = "bom.cdx.json"
"""Files of a pulled folder that are written from the statement itself."""

MODEL, MANIFEST, AUDIT, CARD = "extractor.onnx", "manifest.json", "audit.json", "model_card.md"
"""Files of every release."""

MOST_BYTES = 4 * 2**30
_NAME = r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"
_VERSION = r"\Av(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)\Z"

Name = Annotated[str, msgspec.Meta(pattern=_NAME)]
VersionName = Annotated[str, msgspec.Meta(pattern=_VERSION)]
Revision = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{40}|[0-9a-f]{64})\Z")]
Rate = Annotated[float, msgspec.Meta(ge=0, le=2)]
"""A balanced accuracy in [0, 1], or a limit on one, which may lie above 1."""


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Immutable; refuses unknown fields and other types."""


class ReleasedFile(_Model, frozen=True, kw_only=True):
    """One file of a release.

    Args:
        path: Its path in the repository, with slashes.
        sha256: 64 hex digits.
        size: Bytes; `bytes` in JSON.
    """

    path: str
    sha256: Sha256
    size: Annotated[int, msgspec.Meta(ge=0, le=MOST_BYTES)] = msgspec.field(name="bytes")

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if self.path != "/".join(parts) or not all(re.match(_NAME, part) for part in parts):
            raise ValueError("a path that leaves the repository")


class Variant(_Model, frozen=True, kw_only=True):
    """A smaller file made of a released one.

    Args:
        name: "int8" or "fp16".
        of: sha256 of the file that it was made of.
        mean_abs: Mean absolute difference of features from that file's.
    """

    name: Name
    of: Sha256
    mean_abs: float | None = None


class TrainingData(_Model, frozen=True, kw_only=True):
    """The data set and its digest."""

    dataset: str
    digest: str


class Bound(_Model, frozen=True, kw_only=True):
    """Bounds on what attacks find of a private attribute, as balanced accuracies.

    Args:
        high: Upper bound of the strongest attack.
        limit: Of the policy.
        attacker_people: People that this attack was fitted on; None: unknown.
        projected: Upper bound that the learning curve projects; None: there is no curve.
        projected_people: To an attacker with so many people.
        certificate: Bound on every attacker; None: features are not a code.
    """

    high: Rate
    limit: Rate
    attacker_people: Annotated[int, msgspec.Meta(ge=1)] | None = None
    projected: Rate | None = None
    projected_people: Annotated[int, msgspec.Meta(ge=1)] | None = None
    certificate: Rate | None = None


class AuditSummary(_Model, frozen=True, kw_only=True):
    """Result of the release's audit.

    Args:
        sha256: Of audit.json.
        verdict, suite_version, plan_sha256, policy: As audit.json has them.
        attributes: Private attribute -> bound and limit.
        utility_loss: Mean over unseen tasks, in balanced accuracy, -1 to 1; None if unknown.
        kept: Mean share of what the raw record tells of unseen tasks; None if unknown.
    """

    sha256: Sha256
    verdict: str
    suite_version: str
    plan_sha256: str
    policy: dict[str, Any]
    attributes: dict[str, Bound]
    utility_loss: Annotated[float, msgspec.Meta(ge=-1, le=1)] | None
    kept: float | None = None


class Release(_Model, frozen=True, kw_only=True):
    """A release: the predicate of its statement.

    Args:
        artifact: Name in the registry.
        version: "v1.2.0".
        revision: Git commit that made the files.
        released: Time in UTC, ISO 8601.
        tiprdc_version: Of the software that released it.
        files: Name in the release -> file.
        variant: Of a variant, what it was made of; else None.
        opset: Of the ONNX file.
        private: Attributes that it was trained to hide.
        input, output: As the manifest has them.
        training_data: What it was trained on.
        params_sha256: Of params.yaml at the revision.
        audit: Result of its audit.
        bom: Bill of materials, CycloneDX.
    """

    artifact: Name
    version: VersionName
    revision: Revision
    released: str
    tiprdc_version: str
    files: dict[str, ReleasedFile]
    variant: Variant | None = None
    opset: int
    private: tuple[str, ...]
    input: dict[str, Any]
    output: dict[str, Any]
    training_data: TrainingData
    params_sha256: Sha256
    audit: AuditSummary
    bom: dict[str, Any]

    @property
    def name(self) -> str:
        """ "extractor@v1.2.0"."""
        return f"{self.artifact}@{self.version}"

    @property
    def model_sha256(self) -> str:
        """Digest of the ONNX file."""
        return self.files[MODEL].sha256


class Promotion(_Model, frozen=True, kw_only=True):
    """The predicate of a promotion: a release enters a lifecycle stage.

    Args:
        artifact, version: Of the release.
        stage: Lifecycle stage.
        number: Of the assignment, counted per artifact.
        release_sha256: Of the payload of the release's envelope.
    """

    artifact: Name
    version: VersionName
    stage: str
    number: int
    release_sha256: Sha256


def version_key(version: str) -> tuple[int, int, int]:
    """Numbers of "v1.2.0", to sort by.

    Raises:
        ReleaseError: It is no such version.
    """
    match = re.match(_VERSION, version)
    if not match:
        raise ReleaseError("version", repr(sanitize(version)), "e.g. v1.2.0")
    major, minor, patch = map(int, match.groups())
    return major, minor, patch


def release_statement(release: Release) -> Statement[Release]:
    """The statement that makes a release."""
    return Statement(subject=_subjects(release), predicate_type=RELEASE_TYPE, predicate=release)


def promotion_statement(
    release: Release, envelope: Envelope, stage: str, number: int
) -> Statement[Promotion]:
    """The statement that a release enters a lifecycle stage.

    Args:
        release: What enters it.
        envelope: Of the release, from its tag.
        stage: Lifecycle stage.
        number: Of the assignment.
    """
    return Statement(
        subject=_subjects(release),
        predicate_type=PROMOTION_TYPE,
        predicate=Promotion(
            artifact=release.artifact,
            version=release.version,
            stage=stage,
            number=number,
            release_sha256=hashlib.sha256(envelope.payload).hexdigest(),
        ),
    )


def parse_release(envelope: Envelope, where: str) -> Release:
    """Read and check the release in an envelope; its signatures are not checked here.

    Raises:
        ReleaseError: A field is missing, unknown, of another type or out of range; a name or a path
            could leave the folder; or the subjects are not the files.
    """
    statement = parse_statement(envelope, Release, RELEASE_TYPE, where)
    release = statement.predicate
    _check_names(release.files, where)
    if statement.subject != _subjects(release):
        raise ReleaseError(where, "its subjects are not its files", hint="do not use it")
    return release


def parse_promotion(envelope: Envelope, where: str) -> Statement[Promotion]:
    """Read the promotion in an envelope; its signatures are not checked here.

    Raises:
        ReleaseError: It is no promotion.
    """
    return parse_statement(envelope, Promotion, PROMOTION_TYPE, where)


def _subjects(release: Release) -> tuple[Subject, ...]:
    return tuple(
        Subject(name=name, digest=Digest(sha256=file.sha256))
        for name, file in sorted(release.files.items())
    )


def _check_names(files: Mapping[str, ReleasedFile], where: str) -> None:
    """Plain names only, none of them twice on a file system that ignores case."""
    for name in files:
        if not re.match(_NAME, name) or name in (STATEMENT, BOM):
            raise ReleaseError(where, f"a file named {sanitize(name)!r}", "plain file names")
    if len({name.casefold() for name in files}) != len(files):
        raise ReleaseError(where, "two file names that differ in case alone")
    missing = {MODEL, MANIFEST, AUDIT, CARD} - set(files)
    if missing:
        raise ReleaseError(where, f"no {', '.join(sorted(missing))}", "every file of a release")
    if sum(file.size for file in files.values()) > MOST_BYTES:
        raise ReleaseError(where, "more bytes than a release may have", f"at most {MOST_BYTES:,}")
