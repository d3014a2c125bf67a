"""The lowest version that pyproject.toml allows of each runtime dependency, as pins for pip.

    python -m tests.helpers.lowest       writes the direct pins of constraints-lowest.txt

What those need in turn is pinned below MARK: without it pip searches for ten minutes and more. Any
resolver makes that part, for instance `uv pip compile pyproject.toml --extra test` with the direct
pins as constraints, less CUDA's packages.
"""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
FILE = ROOT / "constraints-lowest.txt"
TOOLS = ("test", "dev", "mutation")
"""Extras that no user installs."""
_HEAD = """\
# The lowest allowed version of each runtime dependency, for `make test-lowest`.
# Made from pyproject.toml: python -m tests.helpers.lowest
"""
MARK = "# What they need in turn; see tests/helpers/lowest.py.\n"


def lowest_pins() -> str:
    """The text of constraints-lowest.txt: one `name==version` a line, sorted by name.

    The extras of TOOLS have no part in it.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [v for k, v in project["optional-dependencies"].items() if k not in TOOLS]
    pins = set[str]()
    for text in itertools.chain(project["dependencies"], *extras):
        requirement = Requirement(text)
        lower = [s.version for s in requirement.specifier if s.operator == ">="]
        if lower:
            pins.add(f"{requirement.name.lower()}=={lower[0]}")
    return _HEAD + "".join(f"{pin}\n" for pin in sorted(pins))


def read() -> tuple[str, str]:
    """The direct pins of constraints-lowest.txt, and those of what they need."""
    direct, _, needed = FILE.read_text(encoding="utf-8").partition(MARK)
    return direct, needed


if __name__ == "__main__":
    FILE.write_text(lowest_pins() + MARK + read()[1], encoding="utf-8")
