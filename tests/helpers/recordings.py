"""Small recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray


def tone(hertz: float, rate: int, seconds: float) -> NDArray[np.float32]:
    """A sine of half of full scale."""
    time = np.arange(round(rate * seconds)) / rate
    return np.asarray(0.5 * np.sin(2 * np.pi * hertz * time), np.float32)


def write_tone(path: Path, hertz: float = 440, rate: int = 8000, seconds: float = 1.0) -> Path:
    """Write a sine to a file, in the format of its ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(hertz, rate, seconds), rate)
    return path
