"""Real learning curves for curves.py: faces of the generator and the Adult data, several features.

The last people serve to find the principal components, and count in the accuracy that is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from benchmarks.auditor.curve_sources import Curve, Part, expanded, ridge_curves, standardised


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Numbers of people fitted, of whom the last is extrapolated to; to select, and to test."""

    people: tuple[int, ...]
    select: int
    test: int


FACES = Sizes(people=(1000, 2000, 4000, 8000, 80_000), select=3000, test=6000)
ADULT = Sizes(people=(375, 750, 1500, 3000, 30_000), select=2000, test=6000)
PRODUCTS = Sizes(people=(500, 1000, 2000, 4000, 40_000), select=2000, test=4000)
STRENGTHS = (0.1, 0.2, 0.3, 0.5, 1.0, 3.0)
"""Slopes of the log odds of the class; 0.1 leaks next to nothing."""
COMPONENTS, NOISE = (24, 64, 256), (0.0, 0.5, 1.0, 2.0)
PROJECTIONS = (24, 64)


def faces(path: Path, release: Path | None = None, seed: int = 0) -> Iterator[Curve]:
    """Curves of 23 attributes of 100,000 faces.

    Args:
        path: npz with `x` uint8 `[N, ...]` and class numbers `l_<attribute>` `[N]`.
        release: npy with what a release computes of each face `[N, D]`, in the same order.
        seed: Of the people's order, the noise and the projections.
    """
    with np.load(path) as data:
        x = data["x"].reshape(len(data["x"]), -1)
        names = [key for key in data.files if key.startswith("l_")]
        labels = np.stack([data[name] for name in names], 1)
    order = np.random.default_rng(seed).permutation(len(x))
    x, labels = x[order], labels[order]
    names = [name.removeprefix("l_") for name in names]
    if release:
        z = np.load(release)[order]
        yield from _curves("release", names, f"{z.shape[1]} features", z, labels, FACES, seed)
    for features, z in _representations(x, seed):
        yield from _curves("faces", names, features, z, labels, FACES, seed)


def adult(folder: Path, seed: int = 0) -> Iterator[Curve]:
    """Curves of the private columns of Adult, from the other columns, whole and with noise.

    Args:
        folder: With adult.data and adult.test.
        seed: Of the people's order and the noise.
    """
    files = [pd.read_csv(folder / name, header=None, skipinitialspace=True, comment="|")
             for name in ("adult.data", "adult.test")]  # fmt: skip
    table = pd.concat(files).sample(frac=1, random_state=seed).reset_index(drop=True)
    private = {
        "sex": table[9].astype("category").cat.codes.astype(int),
        "race": (table[8] != "White").astype(int),
        "income": table[14].str.startswith(">").astype(int),
        "married": table[5].str.startswith("Married").astype(int),
        "born abroad": (table[13] != "United-States").astype(int),
    }
    shown = {
        "work": table[[1, 3, 4, 6, 12, 10, 11, 0]],
        "no occupation": table[[1, 4, 12, 0]],
    }
    labels = np.stack([np.asarray(v, np.int64) for v in private.values()], 1)
    for name, columns in shown.items():
        x = pd.get_dummies(columns, columns=list(columns.select_dtypes(exclude="number")))
        z = np.asarray(x, np.float32)
        z = (z - z.mean(0)) / (z.std(0) + 1e-6)
        rng = np.random.default_rng(seed)
        for noise in NOISE:
            noisy = z + noise * rng.normal(size=z.shape).astype(np.float32)
            yield from _curves("Adult", list(private), f"{name}, noise {noise:g}", noisy, labels,
                               ADULT, seed)  # fmt: skip


def products(seed: int) -> Iterator[Curve]:
    """Curves of thin leaks: each class shifts a sum of products of many pairs of features.

    Args:
        seed: Of the people; it also chooses the number of features.
    """
    rng = np.random.default_rng([seed, 7])
    width, people = (16, 24, 40)[seed % 3], PRODUCTS.people[-1]
    count = people + PRODUCTS.select + PRODUCTS.test + 10_000
    z = rng.normal(size=(count, width)).astype(np.float32)
    sums = (z[:, ::2] * z[:, 1::2]).sum(1) / np.sqrt(width / 2)
    chances = special.expit(np.outer(sums, STRENGTHS))
    labels = (rng.uniform(size=chances.shape) < chances).astype(np.int64)
    names = [f"strength {strength:g}, run {seed}" for strength in STRENGTHS]
    yield from _curves("simulated: products", names, f"{width} features", z, labels, PRODUCTS, seed)


def _representations(x: NDArray[np.uint8], seed: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Representations, described, `[N, D]`."""
    rng = np.random.default_rng(seed)
    mean = x[-9000:].mean(0, dtype=np.float32)
    centred = x[-9000:].astype(np.float32) - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, : max(COMPONENTS)]
    plain = rng.normal(size=(x.shape[1], max(PROJECTIONS))).astype(np.float32)
    both = np.concatenate([axes, plain], 1)
    seen = np.concatenate([(x[i : i + 5000] - mean) @ both for i in range(0, len(x), 5000)])
    seen /= seen[-9000:].std(0)
    for noise in NOISE:
        for count in COMPONENTS:
            z = seen[:, :count]
            z = z + noise * rng.normal(size=z.shape).astype(np.float32)
            yield f"{count} components, noise {noise:g}", z
    for count in PROJECTIONS:
        yield f"{count} projections", seen[:, max(COMPONENTS) : max(COMPONENTS) + count]


def _curves(
    kind: str, names: Sequence[str], features: str, z: NDArray[np.float32],
    labels: NDArray[np.int64], sizes: Sizes, seed: int,
) -> Iterator[Curve]:  # fmt: skip
    """Curves of all attributes for two attackers of these features."""
    people = sizes.people
    most = people[-1]
    ends = (most, most + sizes.select, most + sizes.select + sizes.test, len(z))
    for attacker, x in (
        ("linear", standardised(z, people[0])),
        ("products and waves", expanded(z, people[0], np.random.default_rng(seed))),
    ):
        parts = [Part(x=x[a:b], labels=labels[a:b])
                 for a, b in zip((0, *ends), ends, strict=False)]  # fmt: skip
        for a, classes, correct, accuracy in ridge_curves(*parts, people):
            truth = parts[2].labels[:, a]
            each = np.bincount(truth, minlength=classes).min()
            chosen = np.concatenate([np.flatnonzero(truth == k)[:each] for k in range(classes)])
            yield Curve(
                kind=kind, name=names[a], features=features, attacker=attacker, classes=classes,
                people=people, correct=correct[:, chosen], accuracy=accuracy,
            )  # fmt: skip
