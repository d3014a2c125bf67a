"""Publishes a planned release: push, read back, register, assign; repeatable after a kill.

The order matters. Nothing refers to a release before its bytes were pushed to DVC's remote and read
back. Tags are created last, in one transaction, on the Git remote first if they are pushed: of two
releases at once, one finds its name taken. After a kill at any step the same command continues.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pipelines.release.checks import REMOTE, Stage, tree
from pipelines.release.plan import ReleasePlan, ReleaseRequest
from tiprdc.errors import ReleaseError
from tiprdc.formats.envelope import Envelope, Statement, encode_json
from tiprdc.formats.files import sha256
from tiprdc.formats.release_statement import (
    AUDIT,
    CARD,
    Release,
    promotion_statement,
    release_statement,
)
from tiprdc.registry import dvc_store
from tiprdc.registry.git import Git, Tag, clone
from tiprdc.registry.signing import load_private, sign
from tiprdc.registry.versions import Registry


def publish(root: Path, request: ReleaseRequest, plan: ReleasePlan) -> list[str]:
    """Publish a release.

    Args:
        root: The project's folder.
        request: As planned.
        plan: Result of `plan_release`.

    Returns:
        Names of the tags that were created.

    Raises:
        ReleaseError: A remote refused or returned other bytes, or another release was first.
    """
    git = Git(root)
    releases = [part.release for part in plan.parts]
    dvc_store.push(root, sorted({out for release in releases for out in _outs(release)}))
    read_back(root, releases)
    if git("rev-parse", "HEAD").strip() != releases[0].revision or list(tree(git)):
        hint = "run the command again, and leave the tree alone meanwhile"
        raise ReleaseError("Git", "the tree changed during the release", hint=hint)
    tags: dict[str, str] = {}
    for part in plan.parts:
        release, envelope = part.release, part.envelope
        if envelope is None:
            envelope = signed(release_statement(release), request.key)
            audit = release.audit
            headline = f"{audit.verdict} by suite {audit.suite_version}"
            message = tag_message(f"{release.artifact} {release.version}: {headline}", envelope)
            tags[release.name] = git.make_tag(release.name, release.revision, message)
        if request.stage:
            tags |= assignment(git, part.registry, release, envelope, request.stage, request.key)
    pushed = {**_unpushed(git, plan), **tags} if request.push else {}
    create(git, tags, pushed)
    return list(tags)


def create(git: Git, tags: dict[str, str], pushed: dict[str, str]) -> None:
    """Name stored tag objects: on the remote first, where other releases compete."""
    if pushed:
        git.push_tags(REMOTE, pushed)
        # Where remote.NAME.fetch names tags, Git creates what it pushed here too.
        here = {name: tag.object for name, tag in git.tags().items()}
        tags = dict(tags.items() - here.items())
    if tags:
        git.create_tags(tags)


def read_back(root: Path, releases: Sequence[Release]) -> None:
    """Fetch every file of one commit's releases from DVC's remote into a new clone; compare.

    Raises:
        ReleaseError: The remote has other bytes than those that were audited.
    """
    with tempfile.TemporaryDirectory(prefix="tiprdc-") as scratch:
        git = clone(str(root.absolute()), Path(scratch, "clone"))
        revision = releases[0].revision
        with dvc_store.open_revision(git.folder, revision, str(root.absolute())) as repo:
            for file in (file for release in releases for file in release.files.values()):
                path = Path(scratch, file.path.replace("/", "-"))
                dvc_store.fetch(repo, file, path)
                if (path.stat().st_size, sha256(path)) != (file.size, file.sha256):
                    raise ReleaseError(
                        f"DVC remote, {file.path}",
                        f"other bytes than were pushed; sha256 {file.sha256[:12]} is expected",
                        hint="delete that object in the remote, and the .dir object that lists it,"
                        " because DVC overwrites neither; then run the same command again",
                    )  # fmt: skip


def signed(statement: Statement[Any], key: Path | None) -> Envelope:
    """An envelope around a statement; unsigned without a key."""
    return sign(encode_json(statement), load_private(key) if key else None)


def tag_message(headline: str, envelope: Envelope) -> str:
    """Message of an annotated tag: a line for people, and the envelope in one line."""
    return f"{headline}\n\n{encode_json(envelope).decode()}"


def assignment(
    git: Git,
    registry: Registry,
    release: Release,
    envelope: Envelope,
    stage: Stage,
    key: Path | None,
) -> dict[str, str]:
    """The stage's tag; none if the release is in the stage already, signed if a key is given.

    Args:
        git: Where the tag object is stored.
        registry: Of the release's artifact.
        release: What enters the stage.
        envelope: Of the release.
        stage: Lifecycle stage.
        key: Private key that signs the promotion, or None.
    """
    last = registry.stages.get(stage)
    if last and last.tag.commit == release.revision:
        with contextlib.suppress(ReleaseError):
            if not key or registry.promotion(last).signatures:
                return {}
    number = registry.counter + 1
    name = f"{release.artifact}#{stage}#{number}"
    promotion = signed(promotion_statement(release, envelope, stage, number), key)
    message = tag_message(f"{release.artifact} {release.version} enters {stage}", promotion)
    return {name: git.make_tag(name, release.revision, message)}


def _outs(release: Release) -> list[str]:
    """What DVC pushes: the release, its audit and its card; never shards or checkpoints."""
    return [
        file.path if name in (AUDIT, CARD) else str(PurePosixPath(file.path).parent)
        for name, file in release.files.items()
    ]


def _unpushed(git: Git, plan: ReleasePlan) -> dict[str, str]:
    """Tags of this version that an earlier run created only here."""
    lines = git("ls-remote", "--tags", "--refs", REMOTE).splitlines()
    remote_tags = {line.split("\t")[1].removeprefix("refs/tags/") for line in lines}
    tags = [tag for part in plan.parts for tag in _tags(part.registry, plan.version)]
    return {tag.name: tag.object for tag in tags if tag.name not in remote_tags}


def _tags(registry: Registry, version: str) -> list[Tag]:
    """Tags of a version and of its lifecycle stages; none if it is not registered."""
    if version not in registry.versions:
        return []
    tag = registry.versions[version].tag
    stages = [a.tag for a in registry.stages.values() if a.tag.commit == tag.commit]
    return [tag, *stages]
