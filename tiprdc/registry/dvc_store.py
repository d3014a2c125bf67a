"""Files of releases in DVC's remote: fetch, push, state of the graph.

DVC verifies nothing of what it fetches; the caller of `fetch` compares size and digest.

The only file that imports dvc, and only when a function needs it. `dvc.repo`, `dvc.fs` and
`dvc.config` are no documented API: pyproject.toml has an upper bound on dvc. Raise it only after
the tests of releases passed with the newer version.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tiprdc.errors import ConfigError, ReleaseError, TiprdcError
from tiprdc.formats.files import sanitize
from tiprdc.formats.release_statement import ReleasedFile


@contextlib.contextmanager
def open_revision(clone: Path, revision: str, source: str = "") -> Iterator[Any]:
    """Open a revision of a clone with DVC, with its own cache and index.

    Args:
        clone: Repository without a work tree; DVC's files are kept beside it.
        revision: Commit.
        source: Where it was cloned from. If that is a folder, its DVC configuration is used:
            relative paths of remotes start there, and a remote may be uncommitted.

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
    """Copy a file from DVC's remote (or Git) into a new file, at most one byte more than its size.

    Args:
        repo: As `open_revision` gives it.
        file: Path and size; the digest is not checked here.
        into: New file.

    Raises:
        ReleaseError: The remote does not answer, or has no such object.
    """
    with _dvc_errors(file.path):
        from dvc.fs import DVCFileSystem

        system = DVCFileSystem(repo=repo)
        with system.open(f"/{file.path}", "rb") as source, into.open("xb") as target:
            remaining = file.size + 1
            while remaining and (part := source.read(min(remaining, 2**20))):
                target.write(part)
                remaining -= len(part)


def provenance(repo: Any) -> dict[str, dict[str, dict[str, str]]]:
    """Stage -> deps and outs -> path -> digest, as dvc.lock has them at a revision.

    Only stages of the project's own graph: benchmarks have graphs of theirs.

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
            if stage.path_in_repo == "dvc.yaml"
        }


def stale(folder: Path, stages: Sequence[str]) -> list[str]:
    """Stages, up to the given ones, that differ from dvc.lock in code, data, settings or outputs.

    Raises:
        ReleaseError: DVC cannot tell.
    """
    with _dvc_errors("dvc status"):
        from dvc.repo import Repo

        with Repo(str(folder)) as repo:
            # An absolute path: DVC takes others from where the process runs.
            targets = [f"{Path(repo.root_dir, 'dvc.yaml')}:{stage}" for stage in stages]
            status = repo.status(targets, with_deps=True)
            return sorted(sanitize(str(name).rpartition(":")[2]) for name in status)


def remote_path(folder: Path) -> str:
    """Connect to the default DVC remote.

    Returns:
        Its path.

    Raises:
        ReleaseError: None is set, or it does not answer.
    """
    with _dvc_errors("DVC remote"):
        from dvc.repo import Repo

        with Repo(str(folder)) as repo:
            remote = repo.cloud.get_remote()
            # Any digest: a remote that does not answer raises.
            remote.odb.exists("0" * 32)
            # DVC would create the folder, also of a disk that is not mounted.
            if remote.fs.protocol == "local" and not Path(remote.path).parent.is_dir():
                raise ReleaseError("DVC remote", "its parent folder does not exist")
            return str(remote.path)


def push(folder: Path, paths: list[str]) -> int:
    """Copy outs to the default DVC remote; returns the number of objects copied.

    Raises:
        ReleaseError: Something could not be copied.
    """
    with _dvc_errors("dvc push"):
        from dvc.repo import Repo

        with Repo(str(folder)) as repo:
            return int(repo.push([str(Path(repo.root_dir, path)) for path in paths]))


def _hash(entry: Any) -> str:
    info = entry.hash_info
    if not info:
        return ""
    if isinstance(info.value, str):
        return sanitize(f"{info.name}:{info.value}")
    # DVC records the values of params, not a digest.
    text = json.dumps(info.value, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _remotes(source: Path) -> dict[str, Any]:
    """Remotes of a folder's configuration, with absolute paths and with credentials."""
    from dvc.config import Config

    folder = source / ".dvc"
    if not folder.is_dir():
        return {}
    config = Config(str(folder))
    name = config["core"].get("remote")
    remotes = {key: dict(value) for key, value in config["remote"].items()}
    return {"remote": remotes, "core": {"remote": name} if name else {}}


@contextlib.contextmanager
def _dvc_errors(where: str) -> Iterator[None]:
    """Turn errors of DVC, its remote or the remote's client into ours.

    Clients of remotes raise any class, so nothing narrower than Exception is enough. The cause
    stays attached.
    """
    try:
        yield
    except TiprdcError:
        raise
    except ModuleNotFoundError as error:
        raise ConfigError(
            where, f"{error.name} is not installed", "DVC", 'pip install "tiprdc[pull]"'
        ) from error
    except Exception as error:
        text = " ".join(sanitize(str(error)).split()) or type(error).__name__
        raise ReleaseError(
            where, text[:300],
            hint="check that the DVC remote is set and answers: `dvc remote list`, `dvc push`",
        ) from error  # fmt: skip
