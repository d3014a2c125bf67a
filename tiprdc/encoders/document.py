"""What is kept of an encoder beside its bytes: how it is run, and its licence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import onnx

from tiprdc.encoders.pictures import PictureAdapter
from tiprdc.encoders.texts import TextAdapter
from tiprdc.formats.files import sanitize
from tiprdc.sandbox.execution import Pooling

_LICENCE_KEYS = ("license", "licence")
_LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "COPYING")
_MOST_LICENCE = 500


class EncoderDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a release needs to know of its encoder.

    Args:
        name: Of the file.
        sha256: Of its bytes.
        licence: As the file, or a licence text beside it, states it; empty if neither does.
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

    def notes(self) -> Iterator[str]:
        """What the manifest and the model card say about it."""
        licence = self.licence or "not stated; ask whoever made it"
        yield (
            f"The file contains the encoder {self.name} (sha256 {self.sha256[:12]}), unchanged."
            f" Its licence: {licence}."
        )


def find_licence(path: Path) -> str:
    """What the file's metadata, or the first line of a licence text beside it, says."""
    model = onnx.ModelProto()
    model.ParseFromString(path.read_bytes())
    stated = {entry.key.lower(): entry.value for entry in model.metadata_props}
    for key in _LICENCE_KEYS:
        if stated.get(key, "").strip():
            return " ".join(sanitize(stated[key]).split())[:_MOST_LICENCE]
    for name in _LICENCE_FILES:
        text = path.with_name(name)
        if text.is_file():
            lines = text.read_text(encoding="utf-8", errors="replace").splitlines()
            first = next((line.strip() for line in lines if line.strip()), "")
            return f"{sanitize(first)[:_MOST_LICENCE]} (as {name} beside it says)"
    return ""
