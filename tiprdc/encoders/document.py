"""What is kept of an encoder beside its bytes: how it is run, and its licence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import onnx

from tiprdc.encoders.pictures import PictureAdapter
from tiprdc.encoders.texts import TextAdapter
from tiprdc.errors import ConfigError, ModelError
from tiprdc.formats.files import read_bytes, sanitize
from tiprdc.sandbox.execution import Pooling

_LICENCE_KEYS = ("license", "licence")
_LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "COPYING")
_MOST_LINE, _MOST_BYTES = 500, 65_536
LICENCE_FILE = "LICENSE.encoder.txt"
"""Name of the licence's text in a release."""


class EncoderDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a release needs to know of its encoder.

    Args:
        name: Of the file.
        sha256: Of its bytes.
        licence: In one line, as the file, a licence text beside it or the user states it; else
            empty.
        licence_text: The whole text beside it; else empty.
        adapter: Converts records to its inputs.
        output: Name of the output that holds the features.
        pooling: What becomes of an output for each token.
    """

    name: str
    sha256: str
    licence: str
    adapter: PictureAdapter | TextAdapter
    output: str
    pooling: Pooling = "none"
    licence_text: str = ""

    def notes(self) -> Iterator[str]:
        """What the manifest and the model card say about it."""
        licence = self.licence or "not stated; ask whoever made it"
        text = f" Its text: {LICENCE_FILE}." if self.licence_text else ""
        yield (
            f"The file contains the encoder {self.name} (sha256 {self.sha256[:12]}), unchanged."
            f" Its licence: {licence}.{text}"
        )


def find_licence(path: Path, stated: str | None) -> tuple[str, str]:
    """The licence of an encoder in one line, and the text of it; each empty if there is none.

    Args:
        path: The ONNX file, whose metadata or whose folder may have it.
        stated: What the user says, for a file of which nothing else does.

    Raises:
        ConfigError: Something else does.
        ModelError: The text beside the file is too long, or cannot be read.
    """
    beside, text = _text_beside(path)
    line = _in_metadata(path) or beside
    if line and stated:
        raise ConfigError(
            "train.encoder.licence", f"{_one_line(stated)}, and the encoder has one: {line}",
            hint="leave train.encoder.licence out, or correct what is in the file or beside it",
        )  # fmt: skip
    return line or _one_line(stated or ""), text


def _in_metadata(path: Path) -> str:
    model = onnx.ModelProto()
    model.ParseFromString(path.read_bytes())
    entries = {entry.key.lower(): entry.value for entry in model.metadata_props}
    return next((line for key in _LICENCE_KEYS if (line := _one_line(entries.get(key, "")))), "")


def _text_beside(path: Path) -> tuple[str, str]:
    """First line of a licence text in the same folder, and the whole of it."""
    for name in _LICENCE_FILES:
        file = path.with_name(name)
        if file.is_file():
            data = read_bytes(file, _MOST_BYTES, ModelError, links=True)
            lines = data.decode(errors="replace").splitlines()
            text = "\n".join(sanitize(line.rstrip()) for line in lines).strip("\n")
            if text.strip():
                first = text.strip().splitlines()[0]
                return f"{_one_line(first)} (as {name} beside it says)", f"{text}\n"
    return "", ""


def _one_line(text: str) -> str:
    return sanitize(" ".join(text.split()))[:_MOST_LINE]
