"""Decodes text files in the encoding that the user states; detection only words the hint."""

from __future__ import annotations

import codecs
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tiprdc.errors import ConfigError, DataError

UTF8 = "utf-8"
_WESTERN = "cp1252"
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The mark of UTF-16 begins that of UTF-32, so the longer come first."""
_SAMPLE = 4096
"""Bytes of which the share of NULs is counted."""


@dataclass(frozen=True)
class Location:
    """How messages name a text file and the settings that say how to read it.

    Args:
        where: The key or path at the start of a message.
        file: Name of the file.
        key: Prefix of the settings: `prepare.manifest.` or `--`; empty where there are none.
    """

    where: str
    file: str
    key: str = ""

    def set_to(self, name: str, value: str, otherwise: str) -> str:
        """The hint to set a setting; `otherwise` where there is none."""
        return f"set {self.key}{name} to {value}" if self.key else otherwise


def check_encoding(where: str, encoding: str) -> None:
    """Refuse an encoding that Python does not know.

    Raises:
        ConfigError: Names some that it does.
    """
    try:
        b"".decode(encoding)
        "".encode(encoding)
    except (LookupError, UnicodeError, ValueError):
        raise ConfigError(
            where, f"{encoding!r} is not an encoding of texts",
            "utf-8, utf-16, cp1252 (Windows, Western Europe) or another that Python knows",
        ) from None  # fmt: skip


def decode(data: bytes, encoding: str, location: Location) -> str:
    """The text of a file, without a byte order mark.

    Bytes that are not UTF-8 become lone surrogates, so that one damaged row is one failure.

    Args:
        data: The file.
        encoding: Accepted by `check_encoding`.
        location: For messages.

    Raises:
        DataError: The file is in another encoding, or it is not text.
    """
    name = codecs.lookup(encoding).name
    if name in (UTF8, "utf-8-sig"):
        guess = _guess_wide(data)
        if guess:
            _refuse(location, f"{location.file} is {guess.upper()}, not UTF-8", guess)
        if b"\0" in data:
            raise _not_text(location, data.count(b"\0"))
        return data.decode(UTF8, "surrogateescape").removeprefix("\ufeff")
    wide = name.startswith(("utf-16", "utf-32"))
    is_utf8 = not data.isascii() and _decodes(data, UTF8) and b"\0" not in data
    if is_utf8 or (wide and b"\0" not in data):
        _refuse(location, f"{location.file} is not {encoding}", UTF8 if is_utf8 else "")
    try:
        text = data.decode(encoding)
    except UnicodeError:
        _refuse(location, f"{location.file} is not {encoding}", guess_encoding(data))
    if "\0" in text:
        guess = guess_encoding(data)
        if guess in ("", UTF8) and not wide:
            raise _not_text(location, data.count(b"\0"))
        _refuse(location, f"{location.file} is not {encoding}", guess)
    return text.removeprefix("\ufeff")


def _not_text(location: Location, zeros: int) -> DataError:
    """The refusal of a file with bytes of value 0, which few programs read as text."""
    file = Path(location.file)
    reader = {".gz": "zcat", ".xz": "xzcat"}.get(file.suffix.lower())
    clean = f"clean-{file.stem if reader else file.name}"
    command = f"{reader or 'cat'} {shlex.quote(file.name)} | tr -d '\\0' > {shlex.quote(clean)}"
    return DataError(
        location.where, f"{file.name} is not a text file: {zeros:,} of its bytes are 0", "text",
        f"if it is text all the same, remove them: `{command}`",
    )  # fmt: skip


def guess_encoding(data: bytes) -> str:
    """The encoding that bytes seem to have; empty if none does.

    A file of which only some letters are not UTF-8 has none: any conversion damages the others.
    """
    wide = _guess_wide(data)
    if wide or _decodes(data, UTF8):
        return wide or UTF8
    rest = data.decode(UTF8, "ignore")
    return _WESTERN if rest.isascii() and _decodes(data, _WESTERN) else ""


def encoding_hint(data: bytes, location: Location) -> str:
    """What helps where some bytes of a file are not UTF-8."""
    guess = guess_encoding(data)
    if not guess or guess == UTF8:
        return "the other lines are UTF-8: correct or delete these"
    source = " if it is from Windows in Western Europe" if guess == _WESTERN else ""
    otherwise = f"convert it{source}: iconv -f {guess} -t utf-8 OLD > NEW"
    stated = location.set_to("encoding", guess, "")
    return f"{stated}{source and f'{source}, else to its own encoding'}" if stated else otherwise


def is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogates: it was UTF-8 in its file."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _guess_wide(data: bytes) -> str:
    """UTF-16 or UTF-32, if all bytes decode; else empty."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding if _decodes(data, encoding) else ""
    sample = data[:_SAMPLE]
    for encoding, odd in (("utf-16-le", 1), ("utf-16-be", 0)):
        half = sample[odd::2]
        if len(half) >= 2 and half.count(0) > 0.6 * len(half) and _decodes(data, encoding):
            return encoding
    return ""


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def _refuse(location: Location, given: str, guess: str) -> NoReturn:
    hint = "open it in the program that wrote it and save it as UTF-8"
    if guess:
        hint = location.set_to(
            "encoding", guess, f"convert it: iconv -f {guess} -t utf-8 OLD > NEW"
        )
    raise DataError(location.where, given, "the encoding that is set, or UTF-8", hint)
