"""The typed model of `audit.json`: written with it, read with it, its schema generated from it.

It needs neither torch nor scipy: pages, terminals and registries read what the audit wrote and
compute nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from tiprdc.errors import DataError
from tiprdc.formats.audit_bounds import Certificate, Curve
from tiprdc.formats.audit_plan import Plan, Policy, Pool, Representation
from tiprdc.formats.decoding import Bits, Count, Positive, Rate, Sha256, decode, encode
from tiprdc.formats.files import read_json
from tiprdc.formats.manifest import MODEL, Contract, read_contract

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
EXIT_CODE = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 2}
"""Of a command that ends with a verdict; 2 also where no audit was possible."""
SCHEMA_VERSION: Final = 3

_EXPECTED = f"an audit.json of schema version {SCHEMA_VERSION}"
_HINT = "write it again with `dvc repro -f audit`"

Difference = Annotated[float, Meta(ge=-1, le=1)]
Names = tuple[str, ...]
Shape = tuple[Positive, ...]


class Estimate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Balanced accuracy on attacker-test: one record a person, as many people of each class, so \
that it is correct / people; low and high are one-sided Clopper-Pearson bounds, each at the \
policy's confidence."""

    attack: str
    balanced_accuracy: Rate
    low: Rate
    high: Rate
    correct: Count
    people: Positive
    select: Annotated[
        Rate | None,
        Meta(
            description="Balanced accuracy on attacker-select, which chose this attack; null where"
            " nothing was chosen."
        ),
    ]
    pool: Annotated[
        Pool | None, Meta(description="Records that it was fitted on; null where none was fitted.")
    ]
    attacker_people: Annotated[
        Count | None, Meta(description="Number of these; null where none was fitted.")
    ]


class AttackRun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One attack with one seed."""

    attack: str
    representation: Representation
    seed: Count
    pool: Annotated[Pool, Meta(description="Records that it was fitted on.")]
    attacker_people: Annotated[Count, Meta(description="Number of these; 0 if it failed.")]
    select: Annotated[
        Rate | None,
        Meta(description="Balanced accuracy on attacker-select; null if it failed."),
    ]
    status: Annotated[
        str, Meta(pattern="^(ok|failed: .*)", description="ok, or failed: and the reason.")
    ]


class Leakage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A lower bound on I(z; u) as estimated here."""

    bits: Bits
    estimator: str


class Controls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same on other representations: raw must be recognised, shuffled labels must not. null \
where nothing finished or there is no such control."""

    raw: Estimate | None
    unprotected: Estimate | None
    shuffled: Estimate | None
    floor: Estimate | None


class AttributeReport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well one private attribute was recognised."""

    classes: Names
    verdict: Verdict
    prior: Annotated[Rate, Meta(description="Best guess without features.")]
    floor: Annotated[
        Rate | None, Meta(description="What true utility labels alone give away (label floor).")
    ]
    ceiling: Annotated[Rate | None, Meta(description="The same attacks on the raw record.")]
    limit: Annotated[Rate, Meta(description="What the upper bound may be at most.")]
    people: Annotated[Count, Meta(description="In the balanced sample.")]
    strongest: Annotated[
        Estimate | None,
        Meta(description="The attack selected on attacker-select, against the released features."),
    ]
    leakage: Leakage | None
    controls: Controls
    people_needed: Annotated[
        Positive | None,
        Meta(
            description="People that would settle an INCONCLUSIVE; null where more would not, or it"
            " is not about people."
        ),
    ]
    curves: Annotated[
        tuple[Curve, ...],
        Meta(
            description="Learning curves of the strongest attacks, the one with the highest"
            " projected bound first; empty where there are too few people."
        ),
    ]
    certificate: Annotated[
        Certificate | None,
        Meta(description="A bound on every attacker; null where features take many values."),
    ]
    attacks: tuple[AttackRun, ...]


class TaskReport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well probes do one unseen task."""

    classes: Names
    prior: Annotated[Rate, Meta(description="Best guess without features.")]
    people: Annotated[Count, Meta(description="In the balanced sample.")]
    released: Estimate | None
    unprotected: Estimate | None
    ceiling: Annotated[Estimate | None, Meta(description="The same probes on the raw record.")]
    kept: Annotated[
        float | None,
        Meta(
            description="(released - prior) / (ceiling - prior); null where the raw record does not"
            " tell the task."
        ),
    ]
    loss: Annotated[Difference | None, Meta(description="unprotected - released.")]
    probes: tuple[AttackRun, ...]


class Measure(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One figure beside attribute inference; none of them decides the verdict."""

    name: str
    about: Annotated[str, Meta(description="Private attribute, or nothing.")]
    representation: Annotated[str, Meta(pattern="^(released|unprotected|raw)$")]
    value: float
    low: Annotated[float | None, Meta(description="One-sided lower bound; null if there is none.")]
    high: Annotated[float | None, Meta(description="One-sided upper bound; null if there is none.")]
    baseline: Annotated[
        float | None,
        Meta(description="What a guess without features gets; null where that says nothing."),
    ]
    people: Positive


class Alternative(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The release, or a trivial alternative to it, under one simple attack and probe: ridge \
regression on the same records."""

    method: Annotated[
        Literal["release", "pca", "leace"],
        Meta(description="leace: principal components after linear erasure of the attribute."),
    ]
    width: Annotated[Positive, Meta(description="Features.")]
    noise: Annotated[
        float,
        Meta(ge=0, description="Gaussian noise, in standard deviations of the features, set so"
        " that the attack does as on the release; 0 for the release."),
    ]  # fmt: skip
    attacker_people: Positive
    hidden: Annotated[
        dict[str, Rate], Meta(description="Private attribute -> balanced accuracy of the attack.")
    ]
    kept: Annotated[
        dict[str, float | None],
        Meta(description="Task -> (value - prior) / (ceiling - prior), with the audit's ceiling."),
    ]
    mean_kept: float | None


class Reuse(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often this attacker-test was attacked so far, this audit included."""

    test_digest: Annotated[
        Sha256, Meta(description="Of the records, labels and persons of attacker-test.")
    ]
    plans: Annotated[Positive, Meta(description="Number of different plans.")]
    models: Annotated[Positive, Meta(description="Number of different files among them.")]


class SplitSize(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Size of a split."""

    people: Count
    records: Count


class AuditReport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Findings of `dvc repro audit` and `tiprdc audit`. Two audits of the same bytes give the \
same file: it holds no timings."""

    schema_version: Literal[3]
    suite_version: str
    verdict: Verdict
    reasons: Annotated[Names, Meta(description="Why it is not PASS; empty if it is.")]
    model_sha256: Annotated[Sha256, Meta(description="Of the ONNX file that was attacked.")]
    data_digest: str
    plan_sha256: Sha256
    plan: Plan
    dataset: str
    modality: Literal["image", "table", "text", "audio"]
    features: Annotated[Shape, Meta(description="Shape of one record's features.")]
    record: Annotated[Shape, Meta(description="Shape of one record.")]
    notes: Names
    splits: dict[str, SplitSize]
    policy: Policy
    attributes: Annotated[
        dict[str, AttributeReport], Meta(description="Private attribute -> its verdict.")
    ]
    utility: Annotated[dict[str, TaskReport], Meta(description="Task -> what it lost.")]
    mean_kept: Annotated[
        float | None, Meta(description="Mean of kept of unseen tasks; null where one has none.")
    ]
    mean_kept_told: Annotated[
        float | None,
        Meta(description="The same of told tasks (plan.told); null where there are none."),
    ]
    mean_utility_loss: Difference | None
    alternatives: Annotated[
        tuple[Alternative, ...],
        Meta(
            description="The release, then principal components with noise at the same attack;"
            " empty where they were not measured."
        ),
    ]
    reconstruction: Annotated[
        dict[str, dict[str, float]] | None,
        Meta(
            description="released, unprotected, without_features -> measure -> value; null if it"
            " was not tried or failed."
        ),
    ]
    measures: Annotated[
        dict[str, tuple[Measure, ...]],
        Meta(
            description="worst_people, linkability, membership, reconstruction ->"
            " figures; those that could not be measured are in not_tried."
        ),
    ]
    not_tried: Names
    reuse: Annotated[
        Reuse | None,
        Meta(
            description="How many different plans, and files among them, attacked this"
            " attacker-test so far; null where no ledger could be kept."
        ),
    ]

    def to_json(self) -> str:
        """The text of `audit.json`.

        Raises:
            ValueError: A number is not finite.
        """
        return encode(self)


def read_audit(path: Path) -> AuditReport:
    """Read `audit.json`.

    Raises:
        DataError: The file is missing, not an audit, or of another schema version.
    """
    return parse_audit(read_json(path), str(path))


def read_audited(path: Path, audit: AuditReport) -> Contract:
    """Read the manifest of the release that was audited.

    Raises:
        DataError: It cannot be read, or the audit is about other bytes.
    """
    contract = read_contract(path)
    if contract.model_sha256 != audit.model_sha256:
        raise DataError(
            str(path),
            f"{MODEL} has sha256 {contract.model_sha256[:12]}, and the audited model"
            f" {audit.model_sha256[:12]}",
            hint="audit what is released: `dvc repro audit`",
        )
    return contract


def parse_audit(raw: Mapping[str, Any], where: str) -> AuditReport:
    """Turn a decoded `audit.json` into a report.

    Args:
        raw: From `tiprdc.formats.files.read_json`.
        where: File name for errors.

    Raises:
        DataError: It is not an audit, or of another schema version.
    """
    version = raw.get("schema_version")
    if version != SCHEMA_VERSION:
        given = f"schema_version {version!r}"
        raise DataError(where, given, _EXPECTED, _HINT)
    return decode(raw, AuditReport, where, _EXPECTED, _HINT)
