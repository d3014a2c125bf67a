"""Checks before the work that its result can be written where `--out` says."""

from __future__ import annotations

from pathlib import Path

from tiprdc.errors import ConfigError
from tiprdc.formats.writable import require_writable


def check_output(folder: Path, result: str, *, replace: bool) -> None:
    """Check that a folder can be written and holds no earlier result; it is left as it was.

    Args:
        folder: Need not exist.
        result: Name of the file that an earlier command of this kind would have left.
        replace: Whether an earlier result may be replaced.

    Raises:
        ConfigError: It cannot be written, or holds an earlier result.
    """
    earlier = folder / result
    if earlier.exists() and not replace:
        raise ConfigError(
            "--out", f"{earlier} exists", "a folder without a result",
            "name another folder, or add --replace",
        )  # fmt: skip
    require_writable(folder, result)
