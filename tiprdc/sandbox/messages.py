"""Error messages about untrusted files, with names made safe to print."""

from __future__ import annotations

from tiprdc.errors import ModelError
from tiprdc.formats.files import sanitize


def refusal(where: str, given: str, expected: str, hint: str = "") -> ModelError:
    """The `ModelError` to raise; arguments as in `TiprdcError`."""
    return ModelError(sanitize(where), given, expected, hint)


def quote(name: str) -> str:
    """An untrusted name in quotes, at most 60 characters, without terminal control codes."""
    text = sanitize(name).replace("\n", " ").replace("\t", " ")
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
