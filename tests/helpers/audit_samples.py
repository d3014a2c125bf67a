"""Sample audits: every verdict, every modality, with and without a certificate."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.helpers.audit_parts import (
    ATTACKS,
    alternative,
    attribute,
    certificate,
    measure,
    run,
    task,
)

PASS_MODEL = "3f9a1c" + "0" * 58
HOSTILE = '<script>alert("x")</script>'


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
        "told": [],
        "people": {name: part["people"] for name, part in {**private, **utility}.items()},
        "attackers": {"fresh": 4000, "all": 12000},
        "stack_people": 0,
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
        "mean_kept_told": None,
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
        "mean_kept_told": None,
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
        "mean_kept_told": None,
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
        "mean_kept_told": None,
        "mean_utility_loss": None,
        "alternatives": [],
        "reconstruction": None,
        "measures": {},
        "reuse": None,
    }
    return planned(audit)


def coded_audit() -> dict[str, Any]:
    """Features that take few values: PASS by a certificate, and alternatives that keep more."""
    audit = image_audit()
    audit["attributes"]["skin_tone"]["certificate"] = certificate()
    audit["features"] = [2]
    for other in audit["alternatives"][1:]:
        other["mean_kept"] = audit["mean_kept"] + 0.04
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


def audio_audit() -> dict[str, Any]:
    """Recordings of half a second."""
    return planned({**image_audit(), "modality": "audio", "record": [4000]})


AUDITS = {
    "image": image_audit,
    "audio": audio_audit,
    "table": table_audit,
    "text": text_audit,
    "bare": bare_audit,
    "coded": coded_audit,
    "hostile": hostile_audit,
}
