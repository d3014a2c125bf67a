"""Checks of Git for `tiprdc doctor`: remotes, release tags, settings and hooks of the user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tiprdc.cli.machine_checks import Check, run_command, run_git
from tiprdc.formats.files import sanitize

_RELEASE = re.compile(r"^[\w/-]+(@v\d+\.\d+\.\d+|#[\w-]+(#\d+)?)", re.MULTILINE)
"""Tags of registered versions and of lifecycle stages, as GTO writes them."""


def git(folder: Path) -> Iterator[Check]:
    """Check that remotes answer, that release tags are here and there, and what could lose them."""
    if run_git("rev-parse", "--git-dir", folder=folder) is None:
        yield Check(
            subject="git", state="warning", result="no Git repository here, or git is not installed"
        )
        return
    if (run_git("rev-parse", "--is-shallow-repository", folder=folder) or "").strip() == "true":
        yield Check(
            subject="git", state="warning", result="a shallow clone: history and tags are cut off",
            hint="git fetch --unshallow --tags",
        )  # fmt: skip
    remotes = (run_git("remote", folder=folder) or "").split()
    if not remotes:
        yield Check(
            subject="git", state="warning", result="no remote: others cannot pull from here",
            hint="git remote add origin URL",
        )  # fmt: skip
    here = set((run_git("tag", folder=folder) or "").split())
    for name in remotes:
        yield from _remote(name, here, folder)
        yield from _pruning(name, folder)
    yield from _hooks(folder)


def _remote(name: str, here: set[str], folder: Path) -> Iterator[Check]:
    subject = f"git {sanitize(name)}"
    listed = run_git("ls-remote", "--tags", "--refs", "--", name, folder=folder)
    if listed is None:
        yield Check(
            subject=subject, state="problem", result="does not answer",
            hint=f"run `git ls-remote {sanitize(name)}` to see why",
        )  # fmt: skip
        return
    there = {line.partition("refs/tags/")[2] for line in listed.splitlines()}
    released = {tag for tag in there if _RELEASE.match(tag)}
    missing, unpushed = released - here, {t for t in here - there if _RELEASE.match(t)}
    if missing:
        yield Check(
            subject=subject, state="problem", result=f"{len(missing)} release tags are not here",
            hint=f"git fetch --tags {sanitize(name)}",
        )  # fmt: skip
    if unpushed:
        yield Check(
            subject=subject, state="warning", result=f"{len(unpushed)} release tags are not pushed",
            hint=f"git push {sanitize(name)} --tags",
        )  # fmt: skip
    if not missing and not unpushed:
        result = f"answers; {len(released)} release tags, all here"
        yield Check(subject=subject, state="ok", result=result)


def _pruning(name: str, folder: Path) -> Iterator[Check]:
    """Whether the user's own `git fetch` deletes tags; ours never does."""

    def is_set(key: str) -> bool:
        own = _setting(f"remote.{name}.{key}", folder)
        return (own or _setting(f"fetch.{key}", folder)) == "true"

    specs = run_git("config", "--get-all", f"remote.{name}.fetch", folder=folder) or ""
    names_tags = any(spec.partition(":")[2].startswith("refs/tags/") for spec in specs.split())
    if is_set("prune") and (is_set("pruneTags") or names_tags or "refs/*:refs/*" in specs):
        yield Check(
            subject=f"git {sanitize(name)}", state="warning",
            result="`git fetch` deletes release tags that are not pushed yet",
            hint=f"git config remote.{sanitize(name)}.prune false",
        )  # fmt: skip


def _setting(key: str, folder: Path) -> str:
    return (run_git("config", "--type=bool", "--get", key, folder=folder) or "").strip()


def _hooks(folder: Path) -> Iterator[Check]:
    """Whether the user's own `git push` pushes files to DVC's remote; ours runs no hook."""
    # Not `run_git`: it names another folder of hooks.
    hooks = run_command("git", "rev-parse", "--git-path", "hooks", folder=folder)
    path = folder / (hooks or "").strip() / "pre-push"
    if hooks and path.is_file() and b"dvc" in path.read_bytes():
        yield Check(
            subject="git", state="warning",
            result="the pre-push hook runs `dvc push`, so that `git push` copies every result",
            hint="keep `push: false` in dvc.yaml on what shows people; a release runs no hook",
        )  # fmt: skip
