"""Git through its command line: reads tags, creates and pushes several tags in one transaction.

`git update-ref` and `git push --atomic` take several references in one transaction and refuse to
overwrite, so of two releases at once one fails.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tiprdc.errors import ReleaseError
from tiprdc.formats.files import sanitize
from tiprdc.registry.git_command import command, environment

SOURCE_HINT = "give a folder or a URL that `git clone` takes"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_ADVICE = ("hint:", "To ", "remote: \n")


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A tag of a repository.

    Args:
        name: Without refs/tags/.
        object: Id of the tag object; of the commit if the tag is not annotated.
        commit: Id of its commit.
        annotated: Whether it is a tag object with a message.
    """

    name: str
    object: str
    commit: str
    annotated: bool


class Git:
    """One repository, with or without a work tree.

    Args:
        folder: The repository, or a folder in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        verb: str,
        *arguments: str,
        stdin: str | None = None,
        hint: str = "",
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Run a command, with what `git_command` adds; returns its standard output.

        Raises:
            ReleaseError: It failed, or git is not installed.
        """
        words = command(verb, *arguments, folder=self.folder, settings=settings)
        return _run(verb, words, stdin, hint).decode("utf-8", "replace")

    def make(self) -> None:
        """Make an empty repository in the folder.

        Raises:
            ReleaseError: The folder cannot be made.
        """
        _run("init", command("init", "--quiet", "--template=", "--", str(self.folder)))

    def blob(self, revision: str, path: str) -> bytes:
        """A file's bytes at a revision.

        Raises:
            ReleaseError: There is no such file.
        """
        words = command("cat-file", "blob", f"{revision}:{path}", folder=self.folder)
        return _run("cat-file", words)

    def blob_sha256(self, revision: str, path: str) -> str:
        """sha256 of a file at a revision, 64 hex digits.

        Raises:
            ReleaseError: There is no such file.
        """
        return hashlib.sha256(self.blob(revision, path)).hexdigest()

    def tags(self) -> dict[str, Tag]:
        """Every tag that names a commit."""
        form = (
            "%(refname:strip=2)%09%(objecttype)%09%(objectname)%09%(*objectname)%09%(*objecttype)"
        )
        tags = {}
        for line in self("for-each-ref", "refs/tags", f"--format={form}").splitlines():
            name, kind, object_, target, target_kind = line.split("\t")
            if kind == "commit":
                tags[name] = Tag(name=name, object=object_, commit=object_, annotated=False)
            elif target_kind == "commit":
                tags[name] = Tag(name=name, object=object_, commit=target, annotated=True)
        return tags

    def message(self, tag: Tag) -> str:
        """Message of an annotated tag; "" for another tag.

        Raises:
            ReleaseError: The tag object has another name: the tag was moved by hand.
        """
        if not tag.annotated:
            return ""
        head, _, message = self("cat-file", "tag", tag.object).partition("\n\n")
        fields = dict(line.partition(" ")[::2] for line in head.splitlines())
        if fields.get("tag") != tag.name:
            other = sanitize(str(fields.get("tag")))
            raise ReleaseError(
                tag.name, f"holds the tag {other}",
                hint="the tag was moved: ask the people who may push tags",
            )  # fmt: skip
        return message

    def make_tag(self, name: str, commit: str, message: str) -> str:
        """Store a tag object without a name; returns its id."""
        tagger = self("var", "GIT_COMMITTER_IDENT").strip()
        head = f"object {commit}\ntype commit\ntag {name}\ntagger {tagger}\n\n"
        return self("mktag", stdin=f"{head}{message}\n").strip()

    def create_tags(self, objects: Mapping[str, str]) -> None:
        """Name stored tag objects, all or none.

        Raises:
            ReleaseError: One of the names is taken.
        """
        commands = "".join(f"create refs/tags/{name} {id_}\n" for name, id_ in objects.items())
        self(
            "update-ref", "--stdin", stdin=f"start\n{commands}prepare\ncommit\n",
            hint="another release was first: run the same command again",
        )  # fmt: skip

    def fetch_tags(
        self, remote: str, patterns: Sequence[str], *options: str, hint: str = ""
    ) -> None:
        """Create the tags here that a remote has; deletes and overwrites none.

        Args:
            remote: Its name.
            patterns: Of the tags' names.
            options: Of `git fetch`.
            hint: What helps if it fails.

        Raises:
            ReleaseError: The remote does not answer, or a tag differs from the one here.
        """
        names = [f"refs/tags/{pattern}" for pattern in patterns]
        # With --quiet Git does not say which tag it rejects.
        self("fetch", *options, remote, *(f"{name}:{name}" for name in names), hint=hint)

    def push_tags(self, remote: str, objects: Mapping[str, str]) -> None:
        """Create tags on a remote, all or none; never overwrites.

        Raises:
            ReleaseError: The remote refuses, has one of them, or does not answer.
        """
        refs = [f"{id_}:refs/tags/{name}" for name, id_ in objects.items()]
        self(
            "push", "--quiet", "--atomic", remote, *refs,
            hint="run the same command again: it fetches the tags of other releases",
            settings={f"remote.{remote}.mirror": "false"},
        )  # fmt: skip


def clone(source: str, into: Path) -> Git:
    """Clone all history and all tags without a work tree; Git checks every object.

    Raises:
        ReleaseError: There is no such repository, or it does not answer.
    """
    # Without --no-local Git links the objects of a path unchecked; a checkout would run filters.
    options = ("--quiet", "--no-checkout", "--no-local")
    words = command("clone", *options, "--", source, str(into))
    _run("clone", words, hint=SOURCE_HINT)
    return Git(into)


def _run(verb: str, words: Sequence[str], stdin: str | None = None, hint: str = "") -> bytes:
    try:
        done = subprocess.run(
            words, input=None if stdin is None else stdin.encode(),
            capture_output=True, env=environment(), check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise ReleaseError("git", "not installed", hint="install git 2.28 or newer") from None
    if done.returncode:
        cause = _cause(done.stderr.decode("utf-8", "replace"))
        raise ReleaseError(f"git {verb}", cause, hint=hint)
    return done.stdout


def _cause(stderr: str) -> str:
    """Git's error in one line, without the credentials that a URL may hold."""
    lines = [line.strip() for line in stderr.splitlines()]
    errors = [line for line in lines if line.startswith(("fatal:", "error:", "!"))] or lines
    text = "; ".join(line for line in errors[:2] if line and not line.startswith(_ADVICE))
    return sanitize(_CREDENTIALS.sub("", text))[:300] or "it failed without a message"
