"""What can go wrong, by what the caller can do about it.

Each error says where, what was given, what is allowed, and the mend. None carries a value of a
private attribute or a raw record: names of columns, files and classes at most.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TiprdcError(ValueError):
    """The user can mend this; shown without a traceback.

    Args:
        where: Key, file or argument at fault.
        given: What was found there.
        allowed: The rule.
        mend: What to do, one sentence; optional.
    """

    def __init__(self, where: str, given: object, allowed: str, mend: str = "") -> None:
        super().__init__(where, given, allowed, mend)
        self.where, self.given, self.allowed, self.mend = where, given, allowed, mend

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.given}", f"  allowed: {self.allowed}"]
        return "\n".join([*lines, f"  mend: {self.mend}"] if self.mend else lines)


class ConfigError(TiprdcError):
    """A key of params.yaml or a command's option is wrong: edit it."""


def within(where: str, given: float, low: float, high: float) -> None:
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
    """Ray, a worker or the storage failed: mend the machine and run the same command again."""


class ReleaseError(TiprdcError):
    """A release is not what it must be: nothing was made, and nothing was taken."""


def suggestion(given: str, allowed: Iterable[str]) -> str:
    """ "did you mean ...?", or nothing if no allowed name is near."""
    near = difflib.get_close_matches(given, list(allowed), n=1)
    return f"did you mean {near[0]!r}?" if near else ""
