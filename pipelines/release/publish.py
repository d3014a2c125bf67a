"""What a release is made of: steps of which each can be repeated, and one at the end that makes the
version.

Order is the point. Nothing refers to a release before its bytes were pushed and read back from
DVC's remote. Tags are created last, in one transaction: on the Git remote first, if they are pushed
at all, so that of two releases at once one finds its name taken. A run that was killed anywhere is
taken up by the same command.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pipelines.release.checks import REMOTE, ReleasePlan, ReleaseRequest, Stage, tree
from tiprdc.errors import ReleaseError
from tiprdc.formats.files import sha256
from tiprdc.formats.release_statement import AUDIT, CARD, Release, parse_release
from tiprdc.registry import dvc_store
from tiprdc.registry.git import Git, Tag, clone
from tiprdc.registry.pull import promotion_statement
from tiprdc.registry.signing import canonical, load_private, sign
from tiprdc.registry.versions import Registry


def make(root: Path, asked: ReleaseRequest, ready: ReleasePlan) -> list[str]:
    """Push, read back, register, assign; may be repeated after a kill at any step.

    Args:
        root: The project's folder.
        asked: As checked.
        ready: Result of `check`.

    Returns:
        Names of the tags that were created.

    Raises:
        ReleaseError: A remote refused, gave back other bytes, or another release was faster.
    """
    git = Git(root)
    releases = [parse_release(part.statement, ready.version) for part in ready.parts]
    dvc_store.push(root, sorted({out for release in releases for out in _outs(release)}))
    read_back(root, releases)
    if git("rev-parse", "HEAD").strip() != releases[0].revision or list(tree(git)):
        raise ReleaseError("Git", "the tree changed meanwhile", "none does", "run it again")
    tags: dict[str, str] = {}
    for part, release in zip(ready.parts, releases, strict=True):
        if not part.registered:
            name = f"{release.artifact}@{ready.version}"
            message = _signed(part.statement, "release", asked.key, _headline(release))
            tags[name] = git.make_tag(name, release.revision, message)
        if asked.stage:
            tags |= assignment(git, part.found, release, asked.stage, asked.key)
    pushed = {**_unpushed(git, ready), **tags} if asked.push else {}
    create(git, tags, pushed)
    return list(tags)


def create(git: Git, tags: dict[str, str], pushed: dict[str, str]) -> None:
    """Give tags their names: on the remote first, where others compete for them."""
    if pushed:
        git.push_tags(REMOTE, pushed)
    if tags:
        git.create_tags(tags)


def read_back(root: Path, releases: Sequence[Release]) -> None:
    """Fetch every file of a commit's releases from DVC's remote, as a stranger would; compare.

    Raises:
        ReleaseError: The remote gives other bytes than those that were audited.
    """
    with tempfile.TemporaryDirectory(prefix="tiprdc-") as scratch:
        git = clone(str(root.absolute()), Path(scratch, "clone"))
        with dvc_store.opened(git.folder, releases[0].revision, str(root.absolute())) as repo:
            for file in (file for release in releases for file in release.files.values()):
                path = Path(scratch, file.path.replace("/", "-"))
                dvc_store.fetch(repo, file, path)
                if (path.stat().st_size, sha256(path)) != (file.size, file.sha256):
                    raise ReleaseError(
                        f"DVC remote, {file.path}", "other bytes than were pushed",
                        f"sha256 {file.sha256[:12]}",
                        "delete that object in the remote, and the .dir object that lists it: DVC"
                        " overwrites neither; then run the same command again",
                    )  # fmt: skip


def _outs(release: Release) -> list[str]:
    """What DVC pushes: the release and its findings, never shards or checkpoints."""
    found = (AUDIT, CARD)
    return [
        file.path if name in found else str(PurePosixPath(file.path).parent)
        for name, file in release.files.items()
    ]


def _headline(release: Release) -> str:
    return (
        f"{release.artifact} {release.version}: {release.verdict} by suite {release.suite_version}"
    )


def _signed(
    statement: dict[str, Any],
    purpose: Literal["release", "promotion"],
    key: Path | None,
    headline: str,
) -> str:
    signatures = [sign(statement, purpose, load_private(key))] if key else []
    envelope = canonical({"signatures": signatures, "statement": statement})
    return f"{headline}\n\n{envelope.decode()}"


def assignment(
    git: Git, found: Registry, release: Release, stage: Stage, key: Path | None
) -> dict[str, str]:
    """The stage's tag, unless this version is in it already, vouched for as asked."""
    last = found.stages.get(stage)
    if last and last.tag.commit == release.revision:
        with contextlib.suppress(ReleaseError):
            if not key or found.promotion(last).signatures:
                return {}
    number = found.counter + 1
    name = f"{release.artifact}#{stage}#{number}"
    statement = promotion_statement(release, stage, number)
    headline = f"{release.artifact} {release.version} enters {stage}"
    return {
        name: git.make_tag(name, release.revision, _signed(statement, "promotion", key, headline))
    }


def _unpushed(git: Git, ready: ReleasePlan) -> dict[str, str]:
    """Tags of this version that an earlier run created here alone."""
    listed = git("ls-remote", "--tags", "--refs", REMOTE).splitlines()
    there = {line.split("\t")[1].removeprefix("refs/tags/") for line in listed}
    mine = [tag for part in ready.parts for tag in _tags(part.found, ready.version)]
    return {tag.name: tag.object for tag in mine if tag.name not in there}


def _tags(found: Registry, version: str) -> list[Tag]:
    """Of a version and of the lifecycle stages that it is in; none if it is not registered."""
    if version not in found.versions:
        return []
    tag = found.versions[version].tag
    return [tag, *(a.tag for a in found.stages.values() if a.tag.commit == tag.commit)]
