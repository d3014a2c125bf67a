"""Decodes JSON into a typed document, and writes it back: what does not fit is refused by its key.

msgspec checks types, ranges and unknown keys. A number that is not finite is refused here, in both
directions: JSON has none, and it can look like a figure.
"""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from tiprdc.errors import DataError

D = TypeVar("D", bound=msgspec.Struct)

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", min_length=64, max_length=64)]
Rate = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Bits = Annotated[float, Meta(ge=0)]

_PLACE = re.compile(r" - at `(key in )?\$?(?P<path>.*)`$")
_FIELD = re.compile(r"^Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`$")


def decode(raw: object, model: type[D], where: str, expected: str = "", hint: str = "") -> D:
    """Turn decoded JSON into a document.

    Args:
        raw: From `tiprdc.formats.files.read_json`.
        model: Struct that describes the document; it refuses unknown keys itself.
        where: File name for errors.
        expected: Name and version of the document.
        hint: Step that helps where the document does not fit.

    Raises:
        DataError: A key is missing, unknown or of another type or range, or a number is not finite.
            The error names the dotted key, with `*` for the key of a table; never the value.
    """
    infinite = _not_finite(raw)
    if infinite is not None:
        given = "a number that is not finite"
        raise DataError(_located(where, infinite), given, expected, hint)
    try:
        return msgspec.convert(raw, model)
    except msgspec.ValidationError as error:
        key, given = _explained(str(error))
        raise DataError(_located(where, key), given, expected, hint) from None


def encode(document: object, *, sort_keys: bool = False) -> str:
    """A Struct or dataclass as JSON text, always the same for the same document.

    Raises:
        ValueError: A number is not finite.
    """
    raw = msgspec.to_builtins(document, enc_hook=_plain_float)
    return json.dumps(raw, indent=1, sort_keys=sort_keys, allow_nan=False) + "\n"


def _plain_float(value: Any) -> float:
    """numpy's float64 is a float, which msgspec does not know."""
    if isinstance(value, float):
        return float(value)
    raise NotImplementedError(type(value).__name__)


def _not_finite(raw: object) -> str | None:
    """Dotted key of a number that is not finite, if there is one."""
    stack: list[tuple[str, object]] = [("", raw)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return key.strip(".")
        if isinstance(value, dict):
            stack += [(f"{key}.{name}", item) for name, item in value.items()]
        elif isinstance(value, list):
            stack += [(f"{key}.*", item) for item in value]
    return None


def _located(where: str, key: str) -> str:
    return f"{where}: {key}" if key else where


def _explained(message: str) -> tuple[str, str]:
    """Dotted key and sentence of a validation error, without the value that it quotes."""
    place = _PLACE.search(message)
    text = message[: place.start()] if place else message
    path = place["path"] if place else ""
    key = re.sub(r"\[[^\]]*\]", ".*", path).strip(".")
    field = _FIELD.match(text)
    if field:
        known = field["what"] == "missing required"
        return key, f"no key {field['name']!r}" if known else f"unknown key {field['name']!r}"
    if text.startswith("Invalid enum value"):
        return key, "a value that is not allowed here"
    return key, text[:1].lower() + text[1:]
