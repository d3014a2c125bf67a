"""The commands of docs/cluster.md, so that the test runs what the document shows."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "cluster.md"


def commands() -> list[str]:
    """Lines of the indented blocks, continued lines joined, comments removed."""
    text = re.sub(r"\\\n\s*", "", DOCUMENT.read_text(encoding="utf-8"))
    lines = re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)
    return [re.sub(r"\s{2,}#.*$", "", line).strip() for line in lines]


def doc_command(part: str, **options: str) -> str:
    """The only command that contains a text.

    Args:
        part: The text.
        options: New values for options of the command; names without leading dashes.
    """
    (line,) = {command for command in commands() if part in command}
    for name, value in options.items():
        line, count = re.subn(rf"(?<=--{name} )\S+", value, line)
        assert count == 1, f"--{name} is not in: {line}"
    return line
