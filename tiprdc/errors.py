"""Errors that a user can fix; one class for each kind of fix.

A message has the place, what happened, the allowed values and a hint. It never holds a value of a
private attribute or a raw record: names of columns, files and classes at most.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

USER_ERROR = 2
"""An error that the user can fix."""
CRASH = 70
"""A fault of this program (EX_SOFTWARE of sysexits.h): 1 is the verdict FAIL."""
INTERRUPTED = 130
"""Ctrl-C, as in shells."""


class TiprdcError(ValueError):
    """An error that the user can fix; shown without a traceback.

    Args:
        where: Key, file or argument at fault.
        given: What happened, one sentence without a full stop.
        expected: The allowed values, where there is a set of them; else empty.
        hint: The step that helps; optional.
    """

    def __init__(self, where: str, given: object, expected: str = "", hint: str = "") -> None:
        super().__init__(where, given, expected, hint)
        self.where, self.given, self.expected, self.hint = where, given, expected, hint

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.given}"]
        lines += [f"  expected: {self.expected}"] if self.expected else []
        lines += [f"  hint: {self.hint}"] if self.hint else []
        return "\n".join(lines)


class ConfigError(TiprdcError):
    """A key of params.yaml or an option of a command is wrong: edit it."""


def check_range(where: str, given: float, low: float, high: float) -> None:
    """Check an option or argument; settings state their ranges in their types.

    Raises:
        ConfigError: It is not between low and high, both included.
    """
    if not low <= given <= high:
        raise ConfigError(where, given, f"{low:.10g} to {high:.10g}")


class DataError(TiprdcError):
    """The data do not fit the settings: edit the data, or the columns that the settings name."""


class ModelError(TiprdcError):
    """A checkpoint or an ONNX file is missing or damaged: train or export again."""


class ClusterError(TiprdcError):
    """Ray, a worker or the storage failed: fix the machine and run the same command again."""


class ReleaseError(TiprdcError):
    """A release fails a check: nothing was published, and nothing was downloaded."""


def suggestion(given: str, expected: Iterable[str]) -> str:
    """ "did you mean ...?" with the closest allowed name; empty if none is close."""
    near = difflib.get_close_matches(given, list(expected), n=1)
    return f"did you mean {near[0]!r}?" if near else ""
