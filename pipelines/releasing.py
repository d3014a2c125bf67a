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
from pathlib import Path
from typing import Any, Literal

from pipelines.readiness import ARTIFACT, RELEASE, REMOTE, REPORTS, Asked, Ready, Stage, tree
from tiprdc import registry
from tiprdc.documents import sha256
from tiprdc.errors import ReleaseError
from tiprdc.git import Git, clone
from tiprdc.pulling import promotion_statement
from tiprdc.signing import canonical, load_private, sign
from tiprdc.statement import Release, parse_release
from tiprdc.versions import Registry


def make(root: Path, asked: Asked, ready: Ready) -> list[str]:
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
    git, release = Git(root), parse_release(ready.statement, ready.version)
    registry.push(root, _outs(release))
    read_back(root, release)
    if git("rev-parse", "HEAD").strip() != release.revision or list(tree(git)):
        raise ReleaseError("Git", "the tree changed meanwhile", "none does", "run it again")
    tags: dict[str, str] = {}
    if not ready.registered:
        name = f"{ARTIFACT}@{ready.version}"
        message = _signed(ready.statement, "release", asked.key, _headline(release))
        tags[name] = git.make_tag(name, release.revision, message)
    if asked.stage:
        tags |= assignment(git, ready.found, release, asked.stage, asked.key)
    pushed = {**_unpushed(git, ready), **tags} if asked.push else {}
    create(git, tags, pushed)
    return list(tags)


def create(git: Git, tags: dict[str, str], pushed: dict[str, str]) -> None:
    """Give tags their names: on the remote first, where others compete for them."""
    if pushed:
        git.push_tags(REMOTE, pushed)
    if tags:
        git.create_tags(tags)


def read_back(root: Path, release: Release) -> None:
    """Fetch every file from DVC's remote, as a stranger would, and compare.

    Raises:
        ReleaseError: The remote gives other bytes than those that were audited.
    """
    with tempfile.TemporaryDirectory(prefix="tiprdc-") as scratch:
        git = clone(str(root.absolute()), Path(scratch, "clone"))
        with registry.opened(git.folder, release.revision, str(root.absolute())) as repo:
            for name, file in release.files.items():
                path = Path(scratch, name)
                registry.fetch(repo, file, path)
                if (path.stat().st_size, sha256(path)) != (file.size, file.sha256):
                    raise ReleaseError(
                        f"DVC remote, {file.path}", "other bytes than were pushed",
                        f"sha256 {file.sha256[:12]}",
                        "delete that object in the remote, and the .dir object that lists it: DVC"
                        " overwrites neither; then run the same command again",
                    )  # fmt: skip


def _outs(release: Release) -> list[str]:
    """What DVC pushes: the release and its findings, never shards or checkpoints."""
    kept = {f.path if f.path.startswith(REPORTS) else RELEASE for f in release.files.values()}
    return sorted(kept)


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
    name = f"{ARTIFACT}#{stage}#{number}"
    statement = promotion_statement(release, stage, number)
    headline = f"{release.artifact} {release.version} enters {stage}"
    return {
        name: git.make_tag(name, release.revision, _signed(statement, "promotion", key, headline))
    }


def _unpushed(git: Git, ready: Ready) -> dict[str, str]:
    """Tags of this version that an earlier run created here alone."""
    listed = git("ls-remote", "--tags", "--refs", REMOTE).splitlines()
    there = {line.split("\t")[1].removeprefix("refs/tags/") for line in listed}
    mine = [v.tag for v in ready.found.versions.values() if v.name == ready.version]
    mine += [a.tag for a in ready.found.stages.values() if mine and a.tag.commit == mine[0].commit]
    return {tag.name: tag.object for tag in mine if tag.name not in there}
