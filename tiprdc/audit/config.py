"""Settings of an audit: attacks, effort and pass criteria (`params.yaml: audit`)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from tiprdc.attacks.measure import FAMILIES
from tiprdc.attacks.suite import ATTACKS, attack_named, raw_attacks
from tiprdc.audit.policy import PolicyConfig
from tiprdc.errors import ConfigError, suggestion
from tiprdc.settings import MAX_SEED, Settings


class AuditConfig(Settings, frozen=True, kw_only=True):
    """The attacks of an audit and the rule that decides (`audit`)."""

    params_key: ClassVar[str] = "audit"

    policy: Annotated[PolicyConfig, Meta(description="The rule that decides.")] = PolicyConfig()
    attacks: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1, description="Attacks on released features; all of them must finish."
        ),
    ] = (
        "logistic_regression",
        "quadratic",
        "moments",
        "gradient_boosting",
        "nearest_neighbours",
        "kernel",
        "mlp",
        "decoding",
        "decensoring",
        "ridge",
        "residual",
        "recursive_features",
    )  # fmt: skip
    probes: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description="Attacks that measure utility, the unprotected extractor and the "
            "shuffled control.",
        ),
    ] = ("ridge", "logistic_regression", "residual")
    raw: Annotated[
        tuple[str, ...],
        Meta(
            description="Attacks on raw records, which give the ceiling; empty: those that suit "
            "the modality and the number of records.",
        ),
    ] = ()
    seeds: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=MAX_SEED)], ...],
        Meta(min_length=1, description="Seeds with which each random attack is fitted."),
    ] = (0,)
    budget: Annotated[
        int,
        Meta(ge=1, le=6, description="Configurations that an attack on released features tries."),
    ] = 1
    sample_seed: Annotated[
        int,
        Meta(
            ge=0, le=MAX_SEED,
            description="Seed that draws the balanced sample of attacker-test.",
        ),
    ] = 0  # fmt: skip
    reconstruction: Annotated[
        bool, Meta(description="Whether a decoder tries to reconstruct records.")
    ] = True
    measures: Annotated[
        tuple[str, ...],
        Meta(
            description="Further measures, none of which decides the verdict: worst_people, "
            "linkability, membership.",
        ),
    ] = FAMILIES
    alternatives: Annotated[
        bool,
        Meta(
            description="Whether principal components with noise are measured beside the release.",
        ),
    ] = True

    def _check(self) -> None:
        for key in ("attacks", "probes", "raw"):
            names = getattr(self, key)
            for name in names:
                attack_named(name, f"audit.{key}", records=key != "raw")
                if key != "raw" and "flat" not in ATTACKS[name].kinds:
                    raise ConfigError(f"audit.{key}", name, "an attack on features")
            if len(set(names)) != len(names):
                raise ConfigError(f"audit.{key}", list(names), "each once")
        if len(set(self.seeds)) != len(self.seeds):
            raise ConfigError("audit.seeds", list(self.seeds), "each once")
        for name in self.measures:
            if name not in FAMILIES:
                raise ConfigError(
                    "audit.measures", name, f"some of {', '.join(FAMILIES)}",
                    suggestion(name, FAMILIES),
                )  # fmt: skip

    def raw_attacks(self, modality: str, records: int) -> tuple[str, ...]:
        """Attacks on the raw record of this modality, fitted on so many records.

        Raises:
            ConfigError: One of the attacks in `raw` cannot read such a record.
        """
        kind = {"image": "picture", "table": "flat", "text": "text", "audio": "picture"}[modality]
        for name in self.raw:
            if kind not in ATTACKS[name].kinds:
                raise ConfigError("audit.raw", name, f"an attack on {modality} records")
        return self.raw or raw_attacks(modality, records)
