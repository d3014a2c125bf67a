"""Train a classifier on features from many devices, for a task that was unknown at release.

Each device has run

    tiprdc extract release/ photos/ -o features.npz --send URL --token-file FILE

and the collector `tiprdc collect export --database URL -o features.parquet`. Some people also
answered a question that came up later, such as glasses or none. Their answers are a CSV with the
columns device, id and label; device and id are those in features.npz.sent.csv on their device.

    python examples/collector.py features.parquet answers.csv

Without a collector, a folder of .npz files that devices sent does too: there device is the name
of the file without its ending, and id the name of the record.

It needs scikit-learn and pyarrow (pip install 'tiprdc[audit]').
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tiprdc.runtime.feature_files import read_features
from tiprdc.statistics.binomial import interval

Features = dict[tuple[str, str], NDArray[np.float32]]


def main() -> None:
    """Read features and answers, train on some devices, score on the others."""
    parser = argparse.ArgumentParser(description="Learn a task from features of many devices.")
    parser.add_argument("received", type=Path, help="a .parquet of the collector, or a folder")
    parser.add_argument("answers", type=Path, help="a CSV: device, id, label")
    arguments = parser.parse_args()
    read = read_folder if arguments.received.is_dir() else read_export
    z, label, device = join(read(arguments.received), read_answers(arguments.answers))
    # No device is in both parts: the score is about new people.
    train, test = next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(z, label, device))
    task = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    task.fit(z[train], label[train])
    rows = one_record_a_device(label[test], device[test])
    right = task.predict(z[test][rows]) == label[test][rows]
    score = interval(int(right.sum()), len(right))
    print(f"{len(set(device))} devices, {len(z)} labelled records, {z.shape[1]} features each")
    print(
        f"balanced accuracy on {len(rows)} new devices: {score.value:.3f}"
        f" (one-sided 95 % bounds {score.low:.3f} and {score.high:.3f});"
        f" chance is {1 / len(set(label)):.3f}"
    )


def one_record_a_device(label: NDArray[np.str_], device: NDArray[np.str_]) -> NDArray[np.int64]:
    """Rows of one record of each device, as many of each class: balanced accuracy is a proportion.

    Exact bounds need records that are independent of each other; those of one device are not.
    """
    order = np.random.default_rng(0).permutation(len(label))
    _, first = np.unique(device[order], return_index=True)
    rows = np.sort(order[first])
    each = [rows[label[rows] == name] for name in sorted(set(label))]
    return np.concatenate([some[: min(map(len, each))] for some in each])


def read_export(file: Path) -> Features:
    """(device, id) -> features `[D]`, of `tiprdc collect export`."""
    features: Features = {}
    for rows in read_features(file, 1024):
        for name, z in zip(rows.ids, rows.features, strict=True):
            device, id_ = name.split("/", 1)
            features[device, id_] = z.ravel()
    return features


def read_folder(folder: Path) -> Features:
    """(device, id) -> features `[D]`; all must be of one model."""
    features: Features = {}
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
    features: Features, answers: dict[tuple[str, str], str]
) -> tuple[NDArray[np.float32], NDArray[np.str_], NDArray[np.str_]]:
    """Features `[N, D]`, labels `[N]` and devices `[N]` of the records that have both."""
    both = sorted(features.keys() & answers.keys())
    if len({answers[key] for key in both}) < 2:
        sys.exit("answers of at least two classes are needed for the received records")
    devices = np.array([device for device, _ in both])
    return np.stack([features[key] for key in both]), np.array([answers[k] for k in both]), devices


if __name__ == "__main__":
    main()
