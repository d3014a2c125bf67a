"""Hide who speaks in short recordings, and see whether the word is still heard.

    python examples/protect_audio.py clips

writes made voices of 2,400 people (WAV files, and clips/recordings.csv with the attributes
speaker_sex and word), then the release that hides the sex:

    tiprdc protect clips/recordings.csv --private speaker_sex --task word --duration 0.8 -o release

Recordings of your own take the same form: one row a recording, a column of paths relative to the
table, a column for each attribute, and a column that identifies people if a person has several
recordings (--person). Afterwards send new recordings through the release:

    tiprdc extract release clips/recordings.csv -o features.npz

It needs soundfile and soxr (pip install 'tiprdc[audio]').
"""

from __future__ import annotations

import argparse
import csv
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE, SECONDS = 16_000, 0.8
PITCH = {"female": (205.0, 25.0), "male": (120.0, 20.0)}
"""Mean and standard deviation in Hz."""
TRACT = {"female": 1.14, "male": 1.0}
"""What a shorter vocal tract multiplies formants by."""
WORDS = {
    "ai": ((750, 1200), (300, 2200)),
    "au": ((750, 1200), (350, 800)),
    "oi": ((450, 850), (300, 2200)),
    "ia": ((300, 2200), (750, 1200)),
}
"""First and second formant in Hz, at the start and at the end."""


def speak(sex: str, word: str, rng: np.random.Generator) -> NDArray[np.int16]:
    """A made voice `[RATE * SECONDS]`: harmonics of a pitch, the stronger the nearer to a formant.

    Args:
        sex: Of `PITCH`.
        word: Of `WORDS`.
        rng: Draws what differs between people, and the room.
    """
    time = np.arange(round(RATE * SECONDS)) / RATE
    share = np.clip((time - 0.15) / (SECONDS - 0.3), 0, 1)
    pitch = max(70.0, rng.normal(*PITCH[sex])) * (1 + 0.05 * rng.standard_normal() * share)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tract = TRACT[sex] * (1 + 0.06 * rng.standard_normal())
    start, end = WORDS[word]
    formants = [tract * (a + (b - a) * share) for a, b in zip(start, end, strict=True)]
    voice = np.zeros_like(time)
    for number in range(1, int(4000 / pitch.max())):
        strength = sum(1 / (1 + ((number * pitch - f) / 90) ** 2) for f in formants)
        voice += strength * np.sin(number * phase + rng.uniform(0, 2 * np.pi)) / number**0.5
    voice *= np.clip(np.minimum(time, SECONDS - time) / 0.05, 0, 1)
    voice *= 10 ** rng.uniform(-1.2, -0.3) / np.abs(voice).max()
    voice += 10 ** rng.uniform(-3.2, -2.3) * rng.standard_normal(len(time))
    return np.asarray(np.clip(voice * 32767, -32768, 32767), np.int16)


def write_clips(folder: Path, people: int, seed: int) -> Path:
    """Write one recording a person, and the table of them.

    Args:
        folder: It is made.
        people: Recordings.
        seed: Of all that is drawn.

    Returns:
        The table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    table = folder / "recordings.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["audio", "speaker_sex", "word"])
        for person in range(people):
            sex, word = str(rng.choice(list(PITCH))), str(rng.choice(list(WORDS)))
            name = f"{person:05}.wav"
            with wave.open(str(folder / name), "wb") as clip:
                clip.setparams((1, 2, RATE, 0, "NONE", ""))
                clip.writeframes(speak(sex, word, rng).tobytes())
            rows.writerow([name, sex, word])
    return table


def main() -> None:
    """Write the folder that the arguments name."""
    parser = argparse.ArgumentParser(description="Write made voices of people.")
    parser.add_argument("folder", type=Path, help="folder to write")
    parser.add_argument("--people", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    table = write_clips(arguments.folder, arguments.people, arguments.seed)
    print(
        f"tiprdc protect {table} --private speaker_sex --task word --duration {SECONDS} -o release"
    )


if __name__ == "__main__":
    main()
