"""Checks before the work that its result can be written where `--out` says."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from tiprdc.errors import ConfigError


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
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"0")
    except OSError as error:
        raise ConfigError(
            "--out", f"{folder} cannot be written ({error.strerror or type(error).__name__})",
            "a folder that can be written",
        ) from None  # fmt: skip
    finally:
        for path in absent:
            with suppress(OSError):
                path.rmdir()
