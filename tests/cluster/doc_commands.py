"""The commands of docs/cluster.md, so that what is run is what a reader is told to type."""

from __future__ import annotations

import re
from pathlib import Path

HANDBOOK = Path(__file__).parents[2] / "docs" / "cluster.md"


def commands() -> list[str]:
    """All lines of its indented blocks, each joined with what continues it, without comments."""
    text = re.sub(r"\\\n\s*", "", HANDBOOK.read_text(encoding="utf-8"))
    lines = re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)
    return [re.sub(r"\s{2,}#.*$", "", line).strip() for line in lines]


def told(part: str, **options: str) -> str:
    """The one command that contains this.

    Args:
        part: Words of it.
        options: Values to put in place of those that it has; names without dashes in front.
    """
    (found,) = {command for command in commands() if part in command}
    for name, value in options.items():
        found, count = re.subn(rf"(?<=--{name} )\S+", value, found)
        assert count == 1, f"--{name} is not in: {found}"
    return found
