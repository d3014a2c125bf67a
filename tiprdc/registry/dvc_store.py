"""The registry of releases: Git tags in GTO's grammar, files in DVC's remote.

A version is an annotated tag `extractor@v1.2.0` at the commit that made its files; its message
holds the statement (formats/release_statement.py). A lifecycle stage is a tag
`extractor#prod#3`, a version that was taken back one `extractor@v1.2.0!`, and a later audit one
`extractor+v1.2.0+audit+1`, which
is no tag of GTO's. DVC verifies nothing of what it fetches: whoever calls `fetch` compares.

The only file that imports dvc and gto, and only when a function needs them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tiprdc.errors import ConfigError, ReleaseError, TiprdcError
from tiprdc.formats.files import sanitize
from tiprdc.formats.release_statement import ReleasedFile, version_key
from tiprdc.registry.git import Git, Tag
from tiprdc.registry.versions import Assignment, Reaudit, Registry, Version, document

_REAUDIT = re.compile(r"(?P<artifact>.+)\+(?P<version>v[\d.]+)\+audit\+(?P<number>\d+)")


def read(git: Git, artifact: str) -> Registry:
    """Read the tags about an artifact; tags of other grammar are nobody's business here."""
    with _dvc_errors("registry"):
        from gto.constants import Action
        from gto.tag import parse_name

    found: dict[str, Tag] = {}
    withdrawn: dict[str, Tag] = {}
    events: list[tuple[int, bool, str, Tag]] = []
    tags = git.tags()
    for name, tag in tags.items():
        said = parse_name(name, raise_on_fail=False)
        if said.get("name") != artifact:
            continue
        if said["action"] is Action.REGISTER:
            found[said["version"]] = tag
        elif said["action"] is Action.DEREGISTER:
            withdrawn[said["version"]] = tag
        elif said["action"] in (Action.ASSIGN, Action.UNASSIGN):
            assigns = said["action"] is Action.ASSIGN
            events.append((said.get("counter", 0), assigns, said["stage"], tag))
    names = sorted(filter(_plain, found), key=version_key)
    reaudits = _reaudits(tags, artifact)
    versions = {
        name: Version(
            name=name,
            tag=found[name],
            withdrawn=_reason(git, withdrawn.get(name)),
            reaudits=tuple(
                _reaudit(git, number, tag)
                for number, tag in sorted(reaudits.get(name, []), key=lambda r: r[0])
            ),
        )
        for name in names
    }
    return Registry(
        git=git,
        artifact=artifact,
        versions=versions,
        stages=_stages(events),
        counter=max((number for number, *_ in events), default=0),
    )


@contextlib.contextmanager
def opened(clone: Path, revision: str, source: str = "") -> Iterator[Any]:
    """DVC's view of a revision of a clone, with a cache and an index of its own.

    Args:
        clone: Repository without a work tree; DVC's files are kept beside it.
        revision: Commit.
        source: Where it was cloned from. Of a folder, paths of remotes are relative to its own
            configuration, which may also name a remote that was never committed.

    Raises:
        ReleaseError: The revision is of no DVC repository, or DVC is not installed.
    """
    with _dvc_errors(f"DVC at {revision[:12]}"):
        from dvc.repo import Repo

        beside = clone.with_name(f"{clone.name}.dvc")
        config: dict[str, Any] = _remotes(Path(source)) if source else {}
        config["cache"] = {"dir": str(beside / "cache")}
        config.setdefault("core", {})["site_cache_dir"] = str(beside / "site")
        with Repo(str(clone), rev=revision, config=config) as repo:
            yield repo


def fetch(repo: Any, file: ReleasedFile, into: Path) -> None:
    """Copy a file from DVC's remote (or Git) into a new file, at most a byte more than it has.

    Args:
        repo: As `opened` gives it.
        file: Which; its digest is not checked here.
        into: New file.

    Raises:
        ReleaseError: The remote does not answer, or has no such object.
    """
    with _dvc_errors(file.path):
        from dvc.fs import DVCFileSystem

        system = DVCFileSystem(repo=repo)
        with system.open(f"/{file.path}", "rb") as source, into.open("xb") as target:
            left = file.size + 1
            while left and (part := source.read(min(left, 2**20))):
                target.write(part)
                left -= len(part)


def provenance(repo: Any) -> dict[str, dict[str, dict[str, str]]]:
    """Stage -> deps and outs -> path -> digest, as dvc.lock has them at a revision.

    Raises:
        ReleaseError: DVC cannot read it.
    """
    with _dvc_errors("dvc.lock"):
        return {
            sanitize(str(stage.name)): {
                "deps": {sanitize(str(d.def_path)): _hash(d) for d in stage.deps if d.def_path},
                "outs": {sanitize(str(o.def_path)): _hash(o) for o in stage.outs},
            }
            for stage in repo.index.stages
        }


def stale(folder: Path, stages: Sequence[str]) -> list[str]:
    """Stages up to these whose code, data, settings or results are not those of dvc.lock.

    Raises:
        ReleaseError: DVC cannot tell.
    """
    with _dvc_errors("dvc status"):
        from dvc.repo import Repo

        with Repo(str(folder)) as repo:
            # An absolute path: DVC takes others from where the process runs.
            targets = [f"{Path(repo.root_dir, 'dvc.yaml')}:{stage}" for stage in stages]
            found = repo.status(targets, with_deps=True)
            return sorted(sanitize(str(name).rpartition(":")[2]) for name in found)


def remote_of(folder: Path) -> str:
    """The default DVC remote, asked whether it answers.

    Returns:
        Where it is.

    Raises:
        ReleaseError: None is set, or it does not answer.
    """
    with _dvc_errors("DVC remote"):
        from dvc.repo import Repo

        with Repo(str(folder)) as repo:
            remote = repo.cloud.get_remote()
            # Any digest will do: a remote that does not answer raises.
            remote.odb.exists("0" * 32)
            # DVC would make the folder of a disk that is not there.
            if remote.fs.protocol == "local" and not Path(remote.path).parent.is_dir():
                raise ReleaseError("DVC remote", "the folder that it is in is not there", "one")
            return str(remote.path)


def push(folder: Path, paths: list[str]) -> int:
    """Copy outs to the default DVC remote; how many objects went.

    Raises:
        ReleaseError: Something could not be copied.
    """
    with _dvc_errors("dvc push"):
        from dvc.repo import Repo

        with Repo(str(folder)) as repo:
            return int(repo.push([str(Path(repo.root_dir, path)) for path in paths]))


def sha256_at(git: Git, revision: str, path: str) -> str:
    """sha256 of a file that Git holds at a revision."""
    return hashlib.sha256(git.blob(revision, path)).hexdigest()


def _plain(version: str) -> bool:
    with contextlib.suppress(ReleaseError):
        version_key(version)
        return True
    return False


def _reason(git: Git, tag: Tag | None) -> str | None:
    if tag is None:
        return None
    return sanitize(git.message(tag).strip())[:300] or "no reason given"


def _stages(events: list[tuple[int, bool, str, Tag]]) -> dict[str, Assignment]:
    """By number, not by date: clocks of two people may differ."""
    stages: dict[str, Assignment] = {}
    for number, assigns, stage, tag in sorted(events, key=lambda event: event[:3]):
        if assigns:
            stages[stage] = Assignment(stage=stage, number=number, tag=tag)
        elif stage in stages and stages[stage].tag.commit == tag.commit:
            del stages[stage]
    return stages


def _reaudits(tags: Mapping[str, Tag], artifact: str) -> dict[str, list[tuple[int, Tag]]]:
    """Version -> number and tag of each later audit."""
    found: dict[str, list[tuple[int, Tag]]] = {}
    for name, tag in tags.items():
        later = _REAUDIT.fullmatch(name)
        if later and later["artifact"] == artifact:
            found.setdefault(later["version"], []).append((int(later["number"]), tag))
    return found


def _reaudit(git: Git, number: int, tag: Tag) -> Reaudit:
    """A later audit as its tag has it; an unreadable one speaks against the version."""
    try:
        raw = json.loads(document(git.message(tag), tag.name))
        said: Mapping[str, str] = {k: sanitize(str(raw[k])) for k in _REAUDIT_KEYS}
    except (ReleaseError, ValueError, KeyError, TypeError):
        said = dict.fromkeys(_REAUDIT_KEYS, "unreadable")
    return Reaudit(number=number, **said)


_REAUDIT_KEYS = ("suite_version", "verdict", "sha256")


def _hash(entry: Any) -> str:
    info = entry.hash_info
    if not info:
        return ""
    if isinstance(info.value, str):
        return sanitize(f"{info.name}:{info.value}")
    # Of settings DVC keeps the values themselves.
    text = json.dumps(info.value, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _remotes(source: Path) -> dict[str, Any]:
    """Remotes of a folder's own configuration, paths made absolute, credentials with them."""
    from dvc.config import Config

    folder = source / ".dvc"
    if not folder.is_dir():
        return {}
    found = Config(str(folder))
    name = found["core"].get("remote")
    remotes = {key: dict(value) for key, value in found["remote"].items()}
    return {"remote": remotes, "core": {"remote": name} if name else {}}


@contextlib.contextmanager
def _dvc_errors(where: str) -> Iterator[None]:
    """What DVC, its remote or the remote's client complains of, as ours.

    Clients of remotes raise what they like, so nothing narrower than Exception would do; the cause
    stays attached.
    """
    try:
        yield
    except TiprdcError:
        raise
    except ModuleNotFoundError as error:
        raise ConfigError(
            where, f"{error.name} is not installed", "DVC and GTO", 'pip install "tiprdc[pull]"'
        ) from error
    except Exception as error:
        said = " ".join(sanitize(str(error)).split()) or type(error).__name__
        raise ReleaseError(
            where, said[:300], "an answer",
            "is the DVC remote set, reachable and complete? `dvc remote list`, `dvc push`",
        ) from error  # fmt: skip
