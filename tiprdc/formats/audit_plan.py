"""The `plan` of `audit.json`: every decision that is hashed before attacker-test is attacked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tiprdc.formats.decoding import Count, Positive, Rate, Sha256

Representation = Literal["released", "unprotected", "raw", "shuffled"]
REPRESENTATIONS: tuple[Representation, ...] = ("released", "unprotected", "raw", "shuffled")
"""What an attack reads: released features, unprotected features, raw records, or released features
with shuffled labels."""
Pool = Literal["fresh", "all", "views"]
POOLS: tuple[Pool, ...] = ("fresh", "all", "views")
"""Records that an attack is fitted on: those of attacker-train; these and the people that the
extractor was trained on; all of these with copies that the attacker sends through the extractor."""


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a release must hold to."""

    margin: Annotated[Rate, Meta(description="How far the upper bound may lie above the baseline.")]
    against: Annotated[
        Literal["prior", "floor"],
        Meta(description="Baseline: the best guess without features, or the label floor."),
    ]
    confidence: Annotated[Rate, Meta(description="Of each one-sided bound.")]
    min_people: Annotated[Positive, Meta(description="Fewest people of each class.")]
    attacker_people: Annotated[
        Positive, Meta(description="People of the attacker that a PASS must withstand.")
    ]
    certificate: Annotated[
        bool, Meta(description="Whether a PASS needs a certificate within the limit.")
    ]


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything decided before attacker-test was attacked; plan_sha256 is the sha256 of its JSON \
with sorted keys and no spaces."""

    suite_version: Annotated[str, Meta(description="Of the attacks.")]
    model_sha256: Annotated[Sha256, Meta(description="Of the released ONNX file.")]
    unprotected_sha256: Annotated[
        Sha256 | None, Meta(description="Of the unprotected ONNX file; null where there is none.")
    ]
    data_digest: Annotated[str, Meta(description="Of the shards.")]
    private: Annotated[
        dict[str, tuple[str, ...]], Meta(description="Private attribute -> its classes.")
    ]
    utility: Annotated[dict[str, tuple[str, ...]], Meta(description="Task -> its classes.")]
    told: Annotated[
        tuple[str, ...],
        Meta(description="Tasks whose labels training used; the others are unseen."),
    ]
    people: Annotated[
        dict[str, Count],
        Meta(description="Attribute or task -> people in the balanced sample of attacker-test."),
    ]
    attackers: Annotated[
        dict[Pool, Positive], Meta(description="Pool -> records that an attack may be fitted on.")
    ]
    stack_people: Annotated[
        Count,
        Meta(
            description="Records of attacker-train on which the attacks are stacked and none is"
            " fitted; 0: too few records."
        ),
    ]
    attacks: Annotated[tuple[str, ...], Meta(description="Attacks on released features.")]
    probes: Annotated[
        tuple[str, ...],
        Meta(description="Attacks for utility, unprotected features and shuffled labels."),
    ]
    raw: Annotated[tuple[str, ...], Meta(description="Attacks on raw records.")]
    seeds: Annotated[tuple[int, ...], Meta(description="Of each attack that depends on chance.")]
    budget: Annotated[
        Positive, Meta(description="Configurations that an attack on released features may try.")
    ]
    sample_seed: Annotated[Count, Meta(description="Of the balanced sample.")]
    policy: Policy
    reconstruction: Annotated[bool, Meta(description="Whether a decoder tries to rebuild records.")]
    measures: Annotated[
        tuple[str, ...], Meta(description="Families of measures beside attribute inference.")
    ]
    alternatives: Annotated[
        bool, Meta(description="Whether principal components with noise are measured, too.")
    ]

    @property
    def sha256(self) -> str:
        """Digest of the plan's canonical JSON."""
        return digest(msgspec.to_builtins(self))


def digest(plan: Mapping[str, Any]) -> str:
    """sha256 of a plan as JSON with sorted keys and no spaces."""
    text = json.dumps(plan, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
