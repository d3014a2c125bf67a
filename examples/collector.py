"""Train a classifier on features from many devices, for a task that was unknown at release.

Each device has run

    tiprdc extract release/ photos/ -o features.npz

and has sent only the .npz. Some people also answered a question that came up later, such as
glasses or none. Their answers are a CSV with the columns device, id and label, where
device is the name of the .npz without its ending.

    python examples/collector.py received/ answers.csv

It needs scikit-learn (pip install 'tiprdc[audit]').
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    """Read features and answers, train on some devices, score on the others."""
    parser = argparse.ArgumentParser(description="Learn a task from features of many devices.")
    parser.add_argument("received", type=Path, help="a folder with one .npz of each device")
    parser.add_argument("answers", type=Path, help="a CSV: device, id, label")
    arguments = parser.parse_args()
    z, label, device = join(read_features(arguments.received), read_answers(arguments.answers))
    # No device is in both parts: the score is about new people.
    train, test = next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(z, label, device))
    task = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    task.fit(z[train], label[train])
    score = balanced_accuracy_score(label[test], task.predict(z[test]))
    chance = 1 / len(set(label[test]))
    print(f"{len(set(device))} devices, {len(z)} labelled records, {z.shape[1]} features each")
    print(f"balanced accuracy on new devices: {score:.3f}; chance is {chance:.3f}")


def read_features(folder: Path) -> dict[tuple[str, str], NDArray[np.float32]]:
    """(device, id) -> features `[D]`; all must be of one model."""
    features: dict[tuple[str, str], NDArray[np.float32]] = {}
    models = set()
    for file in sorted(folder.glob("*.npz")):
        # The files are untrusted: nothing is unpickled.
        with np.load(file, allow_pickle=False) as archive:
            models.add(str(archive["model_sha256"]))
            rows = archive["features"].reshape(len(archive["ids"]), -1)
            if rows.dtype != np.float32 or not np.isfinite(rows).all():
                sys.exit(f"{file}: features must be finite float32")
            names = ((file.stem, str(name)) for name in archive["ids"])
            features |= dict(zip(names, rows, strict=True))
    if len(models) != 1:
        sys.exit(f"{folder}: features of {len(models)} different models; expected one")
    return features


def read_answers(file: Path) -> dict[tuple[str, str], str]:
    """(device, id) -> label."""
    with file.open(encoding="utf-8", newline="") as stream:
        return {(row["device"], row["id"]): row["label"] for row in csv.DictReader(stream)}


def join(
    features: dict[tuple[str, str], NDArray[np.float32]], answers: dict[tuple[str, str], str]
) -> tuple[NDArray[np.float32], NDArray[np.str_], NDArray[np.str_]]:
    """Features `[N, D]`, labels `[N]` and devices `[N]` of the records that have both."""
    both = sorted(features.keys() & answers.keys())
    if len({answers[key] for key in both}) < 2:
        sys.exit("answers of at least two classes are needed for the received records")
    devices = np.array([device for device, _ in both])
    return np.stack([features[key] for key in both]), np.array([answers[k] for k in both]), devices


if __name__ == "__main__":
    main()
