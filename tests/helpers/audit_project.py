"""Sample projects on disk: reports/ and artifacts/release/ about a sample audit."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

RECORDING = {
    "rate": 8000, "channels": "mean", "resampling": "soxr HQ",
    "length": "first seconds, zeros behind",
}  # fmt: skip
DECODING = {
    "resize": "bilinear",
    "orientation": "exif",
    "background": "#ffffff",
    "deep_grey": "upper 8 bits",
}


def write_pictures(path: Path, people: int = 6, size: int = 32) -> None:
    """Distinguishable pictures: shapes, the same shapes blurred, and a haze."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size] / size
    record = np.empty((people, 3, size, size))
    for n in range(people):
        inside = (rows - 0.5) ** 2 + (columns - 0.5) ** 2 < 0.05 + 0.02 * n
        background, face = rng.uniform(40, 230, size=(2, 3, 1, 1))
        record[n] = np.where(inside, face, background)
    haze = record.mean(axis=(0, 2, 3), keepdims=True)
    unprotected = 0.8 * record + 0.2 * haze
    released = 0.3 * record + 0.7 * haze
    arrays = {"record": record, "unprotected": unprotected, "released": released}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{name: a.astype(np.uint8) for name, a in arrays.items()})


def write_training(path: Path, epochs: int = 12) -> None:
    """Curves of both runs; the unprotected one has no adversary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        losses = ["mutual_information", "adversary", "certainty", "explained_variance"]
        table.writerow(["run", "epoch", *losses, "seconds"])
        for epoch in range(epochs):
            information = -1.386 * np.exp(-epoch / 4)
            fooled = 0.69 - 0.4 * np.exp(-epoch / 3)
            explained = 0.4 * np.exp(-epoch / 2)
            protected = [information - 0.1, fooled, 0.9 - fooled, explained]
            table.writerow(["protected", epoch, *protected, 4.1])
            table.writerow(["unprotected", epoch, information, 0, 0, 0, 3.0])


def write_project(root: Path, audit: dict[str, Any]) -> Path:
    """Write reports/ and artifacts/release/ with every file that the page reads."""
    reports, release = root / "reports", root / "artifacts" / "release"
    reports.mkdir(parents=True, exist_ok=True)
    release.mkdir(parents=True, exist_ok=True)
    (reports / "audit.json").write_text(json.dumps(audit))
    if audit["modality"] == "image":
        write_pictures(reports / "pictures.npz")
    (reports / "training").mkdir(exist_ok=True)
    write_training(reports / "training" / "protected.csv")
    (release / "manifest.json").write_text(json.dumps(manifest(audit)))
    return root


def manifest(audit: dict[str, Any]) -> dict[str, Any]:
    """The manifest of the audited release."""
    modality = audit["modality"]
    columns = [
        {"name": "age", "categories": [], "mean": 38.6, "std": 13.7},
        {"name": "work|class", "categories": ["Private", "State-gov"], "mean": 0.0, "std": 1.0},
    ]
    files = {"extractor.onnx": {"sha256": audit["model_sha256"], "bytes": 482113}}
    if modality == "text":
        files["tokenizer.json"] = {"sha256": "aa" * 32, "bytes": 81234}
    return {
        "manifest_version": 2,
        "name": "extractor",
        "tiprdc_version": "0.1.0",
        "private": list(audit["attributes"]),
        "input": {
            "name": "x",
            "modality": modality,
            "dtype": {"table": "float32", "text": "int32", "audio": "int16"}.get(modality, "uint8"),
            "shape": ["batch", *audit["record"]],
            "columns": columns if modality == "table" else [],
            "vocabulary_size": 5000 if modality == "text" else 0,
            "decoding": DECODING if modality == "image" else None,
            **({"recording": RECORDING} if modality == "audio" else {}),
        },
        "output": {
            "name": "z",
            "dtype": "float32",
            "shape": ["batch", *audit["features"]],
            "clip": 0.0,
            "noise": 0.0,
            "bits": 0,
            "codes": 0,
        },
        "most_bits": {
            "record": None,
            "private": {n: math.log2(len(a["classes"])) for n, a in audit["attributes"].items()},
        },
        "opset": 20,
        "parity": {"records": 10000, "max_abs": 1.8e-7, "mean_abs": 2.0e-8},
        "training_data": {"dataset": audit["dataset"], "digest": audit["data_digest"]},
        "files": files,
        "notes": [],
    }
