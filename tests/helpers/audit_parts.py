"""Parts of sample audits as they are in audit.json."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

ATTACKS = ("logistic_regression", "nearest_neighbours", "gradient_boosting", "mlp", "cnn")


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


def certificate(delta: float = 0.05) -> dict[str, Any]:
    """A bound of 58.9 % on every attacker, of a code of four cells on 20,000 people."""
    counts = [[3600, 2600, 2100, 1700], [2200, 2400, 2600, 2800]]
    in_sample = sum(map(max, zip(*counts, strict=True))) / 20000
    slack = math.sqrt(2 / 10000 * math.log(1 / delta) / 2) / 2
    return {
        "cells": 4,
        "counts": counts,
        "in_sample": in_sample,
        "slack": slack,
        "bound": in_sample + slack,
        "delta": delta,
        "theorem": "Best look-up table and McDiarmid's inequality",
        "border": 0.0021,
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


def learnt(prior: float, last: float) -> tuple[float, ...]:
    """Balanced accuracy with n/8, n/4, n/2 and n records."""
    return tuple(prior + share * (last - prior) for share in (0.1, 0.3, 0.65, 1.0))


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
            curve("cnn", learnt(prior, strongest), strongest + 0.02, limit),
            curve("mlp", learnt(prior, strongest - 0.01), strongest, limit),
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
