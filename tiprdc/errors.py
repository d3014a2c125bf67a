"""What can go wrong, by what the caller can do about it.

Each error says where, what was given, what is allowed, and a hint. None carries a value of a
private attribute or a raw record: names of columns, files and classes at most.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
    """A key of params.yaml or a command's option is wrong: edit it."""


def check_range(where: str, given: float, low: float, high: float) -> None:
    """Check a number of a configuration.

    Raises:
        ConfigError: It is not between low and high, both included.
    """
    if not low <= given <= high:
        raise ConfigError(where, given, f"{low:.10g} to {high:.10g}")


class DataError(TiprdcError):
    """The data do not fit what was asked of them: edit the data, or the columns asked for."""


class ModelError(TiprdcError):
    """A checkpoint or an ONNX file is not what was expected: train or export again."""


class ClusterError(TiprdcError):
    """Ray, a worker or the storage failed: fix the machine and run the same command again."""


class ReleaseError(TiprdcError):
    """A release is not what it must be: nothing was made, and nothing was taken."""


def suggestion(given: str, expected: Iterable[str]) -> str:
    """ "did you mean ...?", or nothing if no allowed name is near."""
    near = difflib.get_close_matches(given, list(expected), n=1)
    return f"did you mean {near[0]!r}?" if near else ""
