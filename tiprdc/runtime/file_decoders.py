"""Reads pictures and recordings from files, for a release: exactly as the training data were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import UNSET
from numpy.typing import NDArray

from tiprdc.datasets.images import is_picture, read_image
from tiprdc.datasets.manifest.image_paths import SUFFIXES
from tiprdc.datasets.recordings import SUFFIXES as RECORDINGS
from tiprdc.datasets.recordings import is_recording, read_recording, require_packages
from tiprdc.errors import DataError
from tiprdc.formats.manifest import Contract
from tiprdc.runtime.file_lists import FileKind

FILES = {
    "image": FileKind("picture", "pictures", SUFFIXES, is_picture),
    "audio": FileKind("recording", "recordings", RECORDINGS, is_recording),
}
"""Modalities whose records are files."""


def file_decoder(contract: Contract) -> Callable[[Path], NDArray[Any]]:
    """The function that reads a file as a release's record.

    It raises `tiprdc.datasets.record_files.UnusableFileError` for a file that cannot be used.

    Raises:
        DataError: The release takes neither square pictures of three channels nor recordings.
        ConfigError: A package that reads recordings is not installed.
    """
    recording = contract.input.recording
    if recording is not UNSET:
        require_packages("INPUT")
        rate, (samples,) = recording.rate, contract.input_shape
        return lambda path: read_recording(path, rate, samples)
    size, background = picture_format(contract)
    return lambda path: read_image(path, size, background)


def picture_format(contract: Contract) -> tuple[int, str]:
    """Height and width of a release's pictures, and the background of transparent pixels.

    Raises:
        DataError: The release takes no square pictures of three channels.
    """
    decoding, shape = contract.input.decoding, contract.input_shape
    if decoding is None:
        raise DataError("manifest.json", f"the release takes {contract.modality}, not pictures")
    channels, height, width = shape
    if channels != 3 or height != width:
        given = f"the release takes images of shape {channels} x {height} x {width}"
        raise DataError("manifest.json", given, "3 x N x N")
    return width, decoding.background
