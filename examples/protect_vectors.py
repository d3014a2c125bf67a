"""Hide a private attribute in the vectors of any encoder, and see what is left.

    python examples/protect_vectors.py people.parquet

writes made vectors of 2,400 people (a list column, with the attributes gender and task), then the
release that hides gender:

    tiprdc protect people.parquet --private gender --task task -o release

Vectors of your own take the same form: one row a record, a list column of Parquet with the numbers
of an encoder, a column for each attribute, and a column that identifies people if a person has
several records (--person). Afterwards send new vectors through the release:

    tiprdc extract release new.parquet -o features.npz

It needs pyarrow (pip install 'tiprdc[audit]').
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SIGNALS = 48
"""Directions in which the vectors vary."""


def write_people(path: Path, people: int, width: int, seed: int) -> None:
    """Write made vectors that tell `gender` by a sum and by a product, and `task` by a sum.

    Args:
        path: The Parquet file.
        people: Rows.
        width: Numbers of a vector.
        seed: Of all that is drawn.
    """
    rng = np.random.default_rng(seed)
    gender, task = rng.integers(2, size=(2, people))
    signals = rng.standard_normal((people, SIGNALS)) * np.linspace(1.5, 0.3, SIGNALS)
    signals[:, 0] += 1.2 * (2 * gender - 1)
    product = np.sign(signals[:, 5] * signals[:, 6])
    wrong = (product != 2 * gender - 1) & (rng.random(people) < 0.7)
    signals[wrong, 5] *= -1
    signals[:, 10] += 1.5 * (2 * task - 1)
    mixing = rng.standard_normal((SIGNALS, width)) / 8
    vectors = signals @ mixing + 0.1 * rng.standard_normal((people, width))
    table = {
        "vector": pa.FixedSizeListArray.from_arrays(
            pa.array(vectors.astype(np.float32).ravel()), width
        ),
        "gender": pa.array(np.array(["f", "m"])[gender]),
        "task": pa.array(np.array(["no", "yes"])[task]),
    }
    pq.write_table(pa.table(table), path)


def main() -> None:
    """Write the file that the arguments name."""
    parser = argparse.ArgumentParser(description="Write made vectors of people.")
    parser.add_argument("path", type=Path, help="Parquet file to write")
    parser.add_argument("--people", type=int, default=2400)
    parser.add_argument("--width", type=int, default=64, help="numbers of a vector")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write_people(arguments.path, arguments.people, arguments.width, arguments.seed)
    print(f"tiprdc protect {arguments.path} --private gender --task task -o release")


if __name__ == "__main__":
    main()
