"""JSON files that may come from a stranger: read, or refused in a sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

from tiprdc.errors import DataError

_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    r"\ufeff\ufffe\uffff]"
)
"""Control characters, direction overrides and lone surrogates: what a name may do to a page."""


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; names come from strangers, so that no text in it can rewrite a terminal.

    Raises:
        DataError: There is no such file, or it holds something else.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(str(path), "no such file", "a file that exists") from None
    except (OSError, ValueError) as error:
        raise DataError(
            str(path), f"cannot be read as JSON ({type(error).__name__})", "a JSON file"
        ) from error
    if not isinstance(raw, dict):
        raise DataError(str(path), f"a JSON {type(raw).__name__}", "a JSON object")
    return cast(dict[str, Any], _printable(raw))


def printable(text: str) -> str:
    """Text without what could rewrite a terminal or turn a line around."""
    return _UNPRINTABLE.sub("\ufffd", text)


def _printable(value: object) -> object:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return value
