"""A stranger's file refused: in a sentence, with names that are safe to show."""

from __future__ import annotations

from tiprdc.errors import ModelError
from tiprdc.formats.files import printable


def refused(where: str, given: str, allowed: str, mend: str = "") -> ModelError:
    """The error to raise; its parts as `TiprdcError`'s."""
    return ModelError(printable(where), given, allowed, mend)


def quoted(name: str) -> str:
    """A stranger's name, short and without what could rewrite a terminal."""
    text = printable(name).replace("\n", " ").replace("\t", " ")
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
