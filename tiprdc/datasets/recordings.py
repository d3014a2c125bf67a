"""Reads recordings as samples of one rate and length: for `prepare`, audits and devices alike.

A recording is recognised by its content, never by its name. Its first seconds count.
"""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.record_files import UnusableFileError, require_file
from tiprdc.errors import ConfigError

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf")
"""Endings, in small letters, by which paths are known as those of recordings."""
CHANNELS: Literal["mean"] = "mean"
RESAMPLING: Literal["soxr HQ"] = "soxr HQ"
LENGTH: Literal["first seconds, zeros behind"] = "first seconds, zeros behind"
"""What a release's manifest states of the decoding, beside rate and samples."""

FULL_SCALE = 32768
_RATES = (1000, 1_000_000)
_TAIL = 0.1
"""Seconds behind the last sample that a resampling filter reads."""
_PACKAGES = ("soundfile", "soxr")
_SIGNATURES = (b"RF64", b"fLaC", b"OggS", b"ID3", b".snd", b"caff")
_CHUNKS = {b"RIFF": (b"WAVE",), b"FORM": (b"AIFF", b"AIFC")}
_HEAD = 12


def require_packages(where: str) -> None:
    """Refuse to go on without the packages that read recordings.

    Args:
        where: What needs them, for the message.

    Raises:
        ConfigError: One is not installed.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            where, f"recordings need {' and '.join(missing)}, which the machine does not have",
            hint=f"pip install {' '.join(missing)}",
        )  # fmt: skip


def read_recording(source: Path | bytes, rate: int, samples: int) -> NDArray[np.int16]:
    """Read the beginning of one recording: the mean of its channels, resampled.

    Samples beyond full scale are clipped. A shorter recording has zeros behind it.

    Args:
        source: The file, or its bytes.
        rate: Samples a second of the result.
        samples: Its length.

    Returns:
        `[samples]`, of which `FULL_SCALE` is 1.

    Raises:
        UnusableFileError: It cannot be decoded, has no sample or one that is no number, or is
            silent.
    """
    if isinstance(source, Path):
        require_file(source)
    mono, own_rate = _decode(source, samples / rate + _TAIL)
    if not len(mono):
        raise UnusableFileError("a recording without a sample")
    if not np.isfinite(mono).all():
        raise UnusableFileError("samples that are NaN or infinite")
    if own_rate != rate:
        mono = _resample(mono, own_rate, rate)
    levels = np.clip(np.rint(mono[:samples] * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    if (levels == levels[:1]).all():
        raise UnusableFileError("silence")
    x = np.zeros(samples, np.int16)
    x[: len(levels)] = levels
    return x


def is_recording(path: Path) -> bool:
    """Whether a file begins as a recording does."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError):
        return False
    return head.startswith(_SIGNATURES) or head[8:] in _CHUNKS.get(head[:4], ())


def _decode(source: Path | bytes, seconds: float) -> tuple[NDArray[np.float32], int]:
    """The mean of the channels `[n]` of the first seconds, and the samples of one of them."""
    import soundfile

    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with soundfile.SoundFile(file) as recording:
            rate = int(recording.samplerate)
            if _RATES[0] <= rate <= _RATES[1]:
                channels = recording.read(int(np.ceil(seconds * rate)), "float32", always_2d=True)
                return channels.mean(1, dtype=np.float32), rate
    # A decoder may raise any exception on a broken file, and may quote its path in it.
    except Exception:
        raise UnusableFileError("not a recording, or a broken one") from None
    raise UnusableFileError(f"{rate:,} samples a second")


def _resample(mono: NDArray[np.float32], rate: int, to: int) -> NDArray[np.float32]:
    import soxr

    resampled: NDArray[Any] = soxr.resample(mono, rate, to, "HQ")
    return np.asarray(resampled, np.float32)
