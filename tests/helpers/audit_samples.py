"""Sample audits, manifests and projects as they are on disk."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

PASS_MODEL = "3f9a1c" + "0" * 58
ATTACKS = ("logistic_regression", "nearest_neighbours", "gradient_boosting", "mlp", "cnn")
HOSTILE = '<script>alert("x")</script>'


def estimate(attack: str, rate: float, width: float = 0.018) -> dict[str, Any]:
    return {
        "attack": attack,
        "balanced_accuracy": rate,
        "low": max(0.0, rate - width),
        "high": min(1.0, rate + width),
        "correct": round(1984 * rate),
        "people": 1984,
        "select": min(1.0, rate + 0.01),
        "pool": "fresh",
        "attacker_people": 4000,
    }


def run(attack: str, representation: str, select: float, seed: int = 0) -> dict[str, Any]:
    return {
        "attack": attack,
        "representation": representation,
        "seed": seed,
        "pool": "fresh",
        "attacker_people": 4000,
        "select": round(select, 4),
        "status": "ok",
    }


def curve(attack: str, rates: tuple[float, ...], projected: float, limit: float) -> dict[str, Any]:
    """A learning curve up to 4,000 records, scored on 1,984 people."""
    right = [round(1984 * rate) for rate in rates]
    # Each attack recognises the people that the one before it does, and some more.
    patterns = [0] * 2 ** len(rates)
    patterns[0] = 1984 - right[-1]
    for place in range(len(right)):
        bits = sum(2**later for later in range(place, len(right)))
        patterns[bits] = right[place] - (right[place - 1] if place else 0)
    return {
        "attack": attack,
        "pool": "fresh",
        "seed": 0,
        "points": [
            {
                "people": 4000 >> (len(rates) - 1 - place),
                "balanced_accuracy": rate,
                "low": rate - 0.018,
                "high": rate + 0.018,
            }
            for place, rate in enumerate(rates)
        ],
        "patterns": patterns,
        "projection": {
            "people": 40000,
            "value": projected,
            "low": projected - 0.03,
            "high": min(1.0, projected + 0.03),
            "people_at_limit": 12000 if projected > limit else None,
        },
    }


def certificate(bound: float = 0.58) -> dict[str, Any]:
    """A bound on every attacker, of a code of four cells on 20,000 people."""
    counts = [[2600, 2500, 2450, 2450], [2400, 2500, 2550, 2550]]
    in_sample = sum(map(max, zip(*counts, strict=True))) / 20000
    return {
        "cells": 4,
        "counts": counts,
        "in_sample": in_sample,
        "slack": bound - in_sample,
        "bound": bound,
        "delta": 0.05,
        "theorem": "Best look-up table and McDiarmid's inequality",
        "border": 0.0,
        "note": "",
    }


def alternative(method: str, noise: float, kept: dict[str, float]) -> dict[str, Any]:
    """The release, or principal components with noise, at the same attack."""
    return {
        "method": method,
        "width": 128,
        "noise": noise,
        "attacker_people": 4000,
        "hidden": {"skin_tone": 0.54},
        "kept": kept,
        "mean_kept": float(np.mean(list(kept.values()))),
    }


def attribute(
    *,
    verdict: str = "PASS",
    strongest: float = 0.543,
    ceiling: float = 0.987,
    limit: float = 0.6,
    people: int = 1984,
    classes: tuple[str, ...] = ("light", "dark"),
    width: float = 0.018,
    people_needed: int | None = None,
) -> dict[str, Any]:
    prior = 1 / len(classes)
    levels = {"released": strongest, "unprotected": 0.979, "raw": ceiling, "shuffled": prior}
    runs = [
        run(attack, representation, prior + (level - prior) * (0.6 + 0.09 * n) + 0.004 * seed, seed)
        for representation, level in levels.items()
        for n, attack in enumerate(ATTACKS)
        for seed in ((0, 1) if representation == "released" else (0,))
    ]
    return {
        "classes": list(classes),
        "verdict": verdict,
        "prior": prior,
        "floor": prior + 0.012,
        "ceiling": ceiling,
        "limit": limit,
        "people": people,
        "strongest": estimate("cnn", strongest, width),
        "leakage": {"bits": 0.012, "estimator": "log2 K minus the attacker's cross-entropy"},
        "controls": {
            "raw": estimate("cnn", ceiling, 0.006),
            "unprotected": estimate("cnn", 0.979, 0.007),
            "shuffled": estimate("mlp", prior - 0.004),
            "floor": {**estimate("label_floor", prior + 0.012), "select": None},
        },
        "people_needed": people_needed,
        "curves": [
            curve("cnn", (0.505, 0.512, 0.53, strongest), strongest + 0.02, limit),
            curve("mlp", (0.5, 0.508, 0.52, strongest - 0.01), strongest, limit),
        ],
        "certificate": None,
        "attacks": runs,
    }


def measure(
    name: str, value: float, *, about: str = "", baseline: float | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "about": about,
        "representation": "released",
        "value": value,
        "low": value - 0.01,
        "high": value + 0.01,
        "baseline": baseline,
        "people": 812,
    }


def task(released: float, unprotected: float, ceiling: float, classes: int = 2) -> dict[str, Any]:
    return {
        "classes": [f"class {n}" for n in range(classes)],
        "prior": 1 / classes,
        "people": 1984,
        "released": estimate("mlp", released, 0.012),
        "unprotected": estimate("mlp", unprotected, 0.010),
        "ceiling": estimate("cnn", ceiling, 0.008),
        "kept": (released - 1 / classes) / (ceiling - 1 / classes),
        "loss": unprotected - released,
        "probes": [run("mlp", "released", released + 0.01)],
    }


def planned(audit: dict[str, Any]) -> dict[str, Any]:
    """The audit with the plan that led to it."""
    private, utility = audit["attributes"], audit["utility"]
    plan = {
        "suite_version": audit["suite_version"],
        "model_sha256": audit["model_sha256"],
        "unprotected_sha256": "d2" * 32,
        "data_digest": audit["data_digest"],
        "private": {name: a["classes"] for name, a in private.items()},
        "utility": {name: t["classes"] for name, t in utility.items()},
        "people": {name: part["people"] for name, part in {**private, **utility}.items()},
        "attackers": {"fresh": 4000, "all": 12000},
        "attacks": list(ATTACKS),
        "probes": ["logistic_regression", "mlp"],
        "raw": ["cnn"],
        "seeds": [0, 1],
        "budget": 1,
        "sample_seed": 0,
        "policy": audit["policy"],
        "reconstruction": audit["reconstruction"] is not None,
        "measures": ["worst_people", "linkability", "membership"],
        "alternatives": True,
    }
    return {**audit, "plan": plan}


def image_audit() -> dict[str, Any]:
    """Like the demo: one attribute of generated faces stays within its limit."""
    utility = {
        "facial_hair": task(0.921, 0.934, 0.968),
        "glasses": task(0.968, 0.972, 0.991),
        "hair_length": task(0.902, 0.899, 0.947),
        "hair_tone": task(0.871, 0.903, 0.962, classes=3),
        "smile": task(0.848, 0.861, 0.935),
    }
    audit = {
        "schema_version": 3,
        "suite_version": "1.0.0",
        "verdict": "PASS",
        "reasons": [],
        "model_sha256": PASS_MODEL,
        "data_digest": "b7" * 32,
        "plan_sha256": "c4" * 32,
        "dataset": "avatars",
        "modality": "image",
        "features": [128],
        "record": [3, 32, 32],
        "notes": [],
        "splits": {
            "extractor-train": {"people": 8000, "records": 8000},
            "attacker-train": {"people": 4000, "records": 4000},
            "attacker-select": {"people": 2000, "records": 2000},
            "attacker-test": {"people": 2000, "records": 2000},
        },
        "policy": {
            "margin": 0.1,
            "against": "prior",
            "confidence": 0.95,
            "min_people": 200,
            "attacker_people": 40000,
            "certificate": False,
        },
        "attributes": {"skin_tone": attribute()},
        "utility": utility,
        "mean_kept": float(np.mean([t["kept"] for t in utility.values()])),
        "mean_utility_loss": float(np.mean([t["loss"] for t in utility.values()])),
        "alternatives": [
            alternative("release", 0.0, {name: t["kept"] for name, t in utility.items()}),
            alternative("pca", 1.9, {name: 0.9 * t["kept"] for name, t in utility.items()}),
            alternative("leace", 1.2, {name: 0.95 * t["kept"] for name, t in utility.items()}),
        ],
        "reconstruction": {
            "released": {"psnr": 14.2, "ssim": 0.31},
            "unprotected": {"psnr": 21.7, "ssim": 0.74},
            "without_features": {"psnr": 12.9, "ssim": 0.22},
        },
        "measures": {
            "worst_people": [measure("surest 5 %", 0.617, about="skin_tone", baseline=0.5)],
            "linkability": [measure("rank 1 among 812 people", 0.043, baseline=1 / 812)],
        },
        "not_tried": [
            "linkability: can two records of one person be joined?",
            "membership: was this person in the training data?",
            "attackers with more data or more compute than this budget",
        ],
        "reuse": {"test_digest": "e5" * 32, "plans": 3, "models": 2},
    }
    return planned(audit)


def table_audit() -> dict[str, Any]:
    """A table with two private attributes, one of them recognised: FAIL, and no pictures."""
    audit = image_audit()
    attributes = {
        "sex": attribute(
            verdict="FAIL", strongest=0.713, ceiling=0.842, classes=("Female", "Male"), people=9020
        ),
        "race": attribute(
            strongest=0.231, ceiling=0.44, limit=0.3, classes=("A", "B", "C", "D", "E"), people=410
        ),
    }
    attributes["race"]["attacks"][3]["select"] = None
    attributes["race"]["attacks"][3]["status"] = "failed: out of time after 60 s"
    audit = {
        **audit,
        "verdict": "FAIL",
        "reasons": ["sex: the lower bound of mlp, 69.5 %, is above the limit of 60.0 %."],
        "dataset": "adult",
        "modality": "table",
        "features": [64],
        "record": [2],
        "notes": ["3,620 records with a missing value were kept; missing is a category."],
        "attributes": attributes,
        "utility": {"income": task(0.795, 0.803, 0.811)},
        "mean_kept": 0.295 / 0.311,
        "mean_utility_loss": 0.008,
        "alternatives": [],
        "reconstruction": {
            "released": {"r2": 0.22, "accuracy": 0.61, "age": 0.22, "work|class": 0.61},
            "unprotected": {"r2": 0.71, "accuracy": 0.93, "age": 0.71, "work|class": 0.93},
            "without_features": {"r2": 0.0, "accuracy": 0.52, "age": 0.0, "work|class": 0.52},
        },
    }
    return planned(audit)


def text_audit() -> dict[str, Any]:
    """Text with too few people: INCONCLUSIVE, nothing rebuilt, one task that could not be done."""
    gender = attribute(
        verdict="INCONCLUSIVE",
        strongest=0.55,
        ceiling=0.66,
        limit=0.56,
        people=610,
        width=0.034,
        people_needed=5200,
    )
    age = {**task(0.61, 0.63, 0.66, 3), "ceiling": None, "kept": None}
    age["probes"].append({**run("gru", "raw", 0), "select": None, "status": "failed: killed"})
    reason = (
        "gender: cnn recognises it with 55.0 %; the upper bound, 58.4 %, is above the limit of"
        " 56.0 %: about 5,200 people would settle it."
    )
    audit = {
        **image_audit(),
        "verdict": "INCONCLUSIVE",
        "reasons": [reason],
        "dataset": "manifest",
        "modality": "text",
        "features": [96],
        "record": [128],
        "attributes": {"gender": gender},
        "utility": {"age_group": age},
        "mean_kept": None,
        "mean_utility_loss": 0.02,
        "alternatives": [],
        "reconstruction": None,
    }
    return planned(audit)


def bare_audit() -> dict[str, Any]:
    """Every optional part is absent: no attack finished, no task, no control, nothing rebuilt."""
    nothing = attribute(verdict="INCONCLUSIVE")
    nothing.update(strongest=None, ceiling=None, floor=None, leakage=None, curves=[], attacks=[])
    nothing["controls"] = dict.fromkeys(("raw", "unprotected", "shuffled", "floor"))
    audit = {
        **image_audit(),
        "verdict": "INCONCLUSIVE",
        "reasons": ["skin_tone: the attack cnn did not finish: killed."],
        "attributes": {"skin_tone": nothing},
        "utility": {},
        "mean_kept": None,
        "mean_utility_loss": None,
        "alternatives": [],
        "reconstruction": None,
        "measures": {},
        "reuse": None,
    }
    return planned(audit)


def hostile_audit() -> dict[str, Any]:
    """Hostile names and notes."""
    long = "W" * 120
    audit = image_audit()
    audit["attributes"] = {HOSTILE: attribute(classes=(HOSTILE, "b|c\n# d"))}
    audit["utility"] = {
        long: task(0.9, 0.91, 0.93),
        "x\x1b[31m\u202e`[a](http://a.test)": task(0.8, 0.8, 0.9),
    }
    audit["dataset"] = '"><img src=http://a.test/x.png onerror=alert(1)>'
    audit["measures"] = {HOSTILE: [measure(HOSTILE, 0.5, about=HOSTILE)]}
    audit["reasons"] = audit["notes"] = audit["not_tried"] = [f"{HOSTILE} {long} \ud800"]
    audit["splits"] = {HOSTILE: {"people": 1, "records": 1}}
    audit["attributes"][HOSTILE]["classes"].append("</pre>")
    return planned(audit)


AUDITS = {
    "image": image_audit,
    "table": table_audit,
    "text": text_audit,
    "bare": bare_audit,
    "hostile": hostile_audit,
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
            "dtype": {"table": "float32", "text": "int32"}.get(modality, "uint8"),
            "shape": ["batch", *audit["record"]],
            "columns": columns if modality == "table" else [],
            "vocabulary_size": 5000 if modality == "text" else 0,
        },
        "output": {
            "name": "z",
            "dtype": "float32",
            "shape": ["batch", *audit["features"]],
            "clip": 0.0,
            "noise": 0.0,
            "bits": 0,
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
