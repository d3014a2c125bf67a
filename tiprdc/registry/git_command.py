"""The `git` command with every setting named that changes what it reads, fetches or pushes.

The user's configuration, hooks and environment decide how a remote is reached (URLs, protocols,
credentials, proxies) and who the user is. They decide nothing else: with `fetch.prune` a fetch
would delete versions that are not pushed yet, with `push.followTags` a push would take other tags
along, and DVC's pre-push hook would push files that must not leave.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_SETTINGS = {
    "core.hooksPath": os.devnull,
    # A hook or a daemon that answers `status` with what it believes is unchanged.
    "core.fsmonitor": "",
    "core.quotePath": "false",
    "color.ui": "false",
    "column.ui": "never",
    "i18n.logOutputEncoding": "UTF-8",
    "submodule.recurse": "false",
    # A fetch would clean up, and may delete tag objects that have no name yet.
    "gc.auto": "0",
    "maintenance.auto": "false",
    # An empty value clears the list.
    "push.pushOption": "",
    "clone.rejectShallow": "false",
    # DVC's own reader knows no other format.
    "init.defaultRefFormat": "files",
}
_OPTIONS = {
    "clone": ("--origin=origin", "--template=", "--no-recurse-submodules"),
    # Without --refmap Git also follows remote.NAME.fetch, which may overwrite tags.
    "fetch": ("--no-tags", "--no-prune", "--no-prune-tags", "--refmap=",
              "--no-recurse-submodules"),
    "log": ("--no-show-signature",),
    "push": ("--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no"),
    "status": ("--ignore-submodules=none", "--no-renames"),
}  # fmt: skip
"""Verb -> options; `remote.NAME.prune` and the like beat a setting, but not an option."""
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    # A replaced object has the name of another one.
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
}
_REPOSITORY = frozenset({
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_DEFAULT_HASH",
    "GIT_DEFAULT_REF_FORMAT", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_INDEX_FILE", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
})  # fmt: skip
"""Variables that name another repository; Git sets some of them inside a hook."""


def command(
    verb: str,
    *arguments: str,
    folder: Path | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Words of a git command.

    Args:
        verb: Such as "fetch".
        arguments: Of the verb.
        folder: The repository, or a folder in it; None: none is needed.
        settings: Further ones that the verb has no option for.
    """
    place = ("-C", str(folder)) if folder else ()
    pairs = {**_SETTINGS, **settings}.items()
    named = [word for key, value in pairs for word in ("-c", f"{key}={value}")]
    return ["git", "--no-pager", *place, *named, verb, *_OPTIONS.get(verb, ()), *arguments]


def environment() -> dict[str, str]:
    """Environment of a git command."""
    kept = {name: value for name, value in os.environ.items() if name not in _REPOSITORY}
    return kept | _ENVIRONMENT
