"""A stranger's file refused: in a sentence, with names that are safe to show."""

from __future__ import annotations

from tiprdc.errors import ModelError
from tiprdc.formats.files import sanitize


def refused(where: str, given: str, expected: str, hint: str = "") -> ModelError:
    """The error to raise; its parts as `TiprdcError`'s."""
    return ModelError(sanitize(where), given, expected, hint)


def quoted(name: str) -> str:
    """A stranger's name, short and without what could rewrite a terminal."""
    text = sanitize(name).replace("\n", " ").replace("\t", " ")
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
