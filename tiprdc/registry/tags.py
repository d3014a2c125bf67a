"""Reads the registry from Git tags in GTO's grammar.

extractor@v1.2.0           registers a version, at the commit that made its files; the message
                           holds the statement (formats/release_statement.py) in its envelope
extractor#prod#3           assigns a lifecycle stage
extractor@v1.2.0!          deprecates a version
extractor+v1.2.0+audit+1   records a later audit; GTO ignores it
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping

from tiprdc.errors import ConfigError, ReleaseError
from tiprdc.formats.audit_statement import parse_audit_statement
from tiprdc.formats.envelope import parse_envelope
from tiprdc.formats.files import sanitize
from tiprdc.formats.release_statement import version_key
from tiprdc.registry.git import Git, Tag
from tiprdc.registry.versions import Assignment, Reaudit, Registry, Version, envelope_text

_REAUDIT = re.compile(r"(?P<artifact>.+)\+(?P<version>v[\d.]+)\+audit\+(?P<number>\d+)")
_UNREADABLE = "unreadable"


def tag_patterns(artifact: str) -> list[str]:
    """Patterns of the names of all tags about an artifact."""
    return [f"{artifact}{mark}*" for mark in "@#+"]


def read_registry(git: Git, artifact: str) -> Registry:
    """Read all tags about an artifact; other tags are ignored.

    Raises:
        ConfigError: GTO is not installed.
        ReleaseError: The repository cannot be read.
    """
    try:
        from gto.constants import Action
        from gto.tag import parse_name
    except ModuleNotFoundError as error:
        given = f"{error.name} is not installed"
        raise ConfigError("registry", given, "GTO", 'pip install "tiprdc[pull]"') from error

    registered: dict[str, Tag] = {}
    deprecated: dict[str, Tag] = {}
    assignments: list[tuple[int, bool, str, Tag]] = []
    tags = git.tags()
    for name, tag in tags.items():
        parts = parse_name(name, raise_on_fail=False)
        if parts.get("name") != artifact:
            continue
        action = parts["action"]
        if action is Action.REGISTER:
            registered[parts["version"]] = tag
        elif action is Action.DEREGISTER:
            deprecated[parts["version"]] = tag
        elif action in (Action.ASSIGN, Action.UNASSIGN):
            is_assigned = action is Action.ASSIGN
            assignments.append((parts.get("counter", 0), is_assigned, parts["stage"], tag))
    reaudits = _reaudit_tags(tags, artifact)
    versions = {
        name: Version(
            name=name,
            tag=registered[name],
            deprecated=_reason(git, deprecated.get(name)),
            reaudits=tuple(
                _reaudit(git, number, tag)
                for number, tag in sorted(reaudits.get(name, []), key=lambda entry: entry[0])
            ),
        )
        for name in sorted(filter(_is_version, registered), key=version_key)
    }
    return Registry(
        git=git,
        artifact=artifact,
        versions=versions,
        stages=_stages(assignments),
        counter=max((number for number, *_ in assignments), default=0),
    )


def _is_version(name: str) -> bool:
    with contextlib.suppress(ReleaseError):
        version_key(name)
        return True
    return False


def _reason(git: Git, tag: Tag | None) -> str | None:
    if tag is None:
        return None
    return sanitize(git.message(tag).strip())[:300] or "no reason given"


def _stages(assignments: list[tuple[int, bool, str, Tag]]) -> dict[str, Assignment]:
    """In the order of numbers, not of dates: clocks of two people may differ."""
    stages: dict[str, Assignment] = {}
    for number, is_assigned, stage, tag in sorted(assignments, key=lambda entry: entry[:3]):
        if is_assigned:
            stages[stage] = Assignment(stage=stage, number=number, tag=tag)
        elif stage in stages and stages[stage].tag.commit == tag.commit:
            del stages[stage]
    return stages


def _reaudit_tags(tags: Mapping[str, Tag], artifact: str) -> dict[str, list[tuple[int, Tag]]]:
    """Version -> number and tag of each later audit."""
    entries: dict[str, list[tuple[int, Tag]]] = {}
    for name, tag in tags.items():
        match = _REAUDIT.fullmatch(name)
        if match and match["artifact"] == artifact:
            entries.setdefault(match["version"], []).append((int(match["number"]), tag))
    return entries


def _reaudit(git: Git, number: int, tag: Tag) -> Reaudit:
    """A later audit; an unreadable one blocks the version."""
    try:
        envelope = parse_envelope(envelope_text(git.message(tag), tag.name), tag.name)
        summary = parse_audit_statement(envelope, tag.name)
    except ReleaseError:
        return Reaudit(
            number=number, suite_version=_UNREADABLE, verdict=_UNREADABLE, sha256=_UNREADABLE
        )
    return Reaudit(
        number=number,
        suite_version=summary.suite_version,
        verdict=summary.verdict,
        sha256=summary.sha256,
    )
