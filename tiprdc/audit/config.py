"""Settings of an audit: attacks, effort and pass criteria (`params.yaml: audit`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tiprdc.attacks.measure import FAMILIES
from tiprdc.attacks.suite import ATTACKS, attack_named
from tiprdc.errors import ConfigError, check_range, suggestion

_RAW = {
    "image": ("logistic_regression", "cnn"),
    "table": ("logistic_regression", "gradient_boosting"),
    "text": ("bag_of_tokens", "gru"),
}


@dataclass(frozen=True, kw_only=True)
class PolicyConfig:
    """What a release must hold to (`audit.policy`)."""

    margin: float = 0.10
    """How far the upper bound of balanced accuracy may lie above the baseline, > 0 to 0.5."""
    against: Literal["prior", "floor"] = "prior"
    """Baseline: the best guess without features, or what true utility labels alone give away."""
    confidence: float = 0.95
    """Of each one-sided bound, 0.8 to 0.9999."""
    min_people: int = 200
    """Fewest people of each class in attacker-test, 20 to 10,000,000."""

    def __post_init__(self) -> None:
        check_range("audit.policy.margin", self.margin, 0.001, 0.5)
        check_range("audit.policy.confidence", self.confidence, 0.8, 0.9999)
        check_range("audit.policy.min_people", self.min_people, 20, 10_000_000)


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """Who attacks, how hard, and what counts as enough (`audit`)."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """The gate."""
    attacks: tuple[str, ...] = (
        "logistic_regression",
        "quadratic",
        "gradient_boosting",
        "nearest_neighbours",
        "kernel",
        "mlp",
        "cnn",
        "decoding",
        "decensoring",
    )
    """Attacks on the released features; each is mandatory."""
    probes: tuple[str, ...] = ("logistic_regression", "mlp")
    """Attacks that measure utility, the unprotected extractor and the shuffled control."""
    raw: tuple[str, ...] = ()
    """Attacks on the raw record, for the ceiling; empty chooses two that suit the modality."""
    seeds: tuple[int, ...] = (0, 1)
    """Each attack that depends on chance is fitted once for each."""
    budget: int = 1
    """Configurations that an attack on released features may try, 1 to 6."""
    sample_seed: int = 0
    """Decides who of attacker-test is in the balanced sample, >= 0."""
    reconstruction: bool = True
    """Whether a decoder tries to rebuild records."""
    measures: tuple[str, ...] = FAMILIES
    """What else is measured: worst_people, linkability, membership, attacker_data."""

    def __post_init__(self) -> None:
        for key in ("attacks", "probes", "raw"):
            names = getattr(self, key)
            for name in names:
                attack_named(name, f"audit.{key}", records=key != "raw")
            if len(set(names)) != len(names) or (not names and key != "raw"):
                raise ConfigError(f"audit.{key}", list(names), "at least one, each once")
        for key in ("attacks", "probes"):
            for name in getattr(self, key):
                if "flat" not in ATTACKS[name].kinds:
                    raise ConfigError(f"audit.{key}", name, "an attack on features")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ConfigError("audit.seeds", list(self.seeds), "at least one, each once, >= 0")
        for name in self.measures:
            if name not in FAMILIES:
                raise ConfigError(
                    "audit.measures", name, f"some of {', '.join(FAMILIES)}",
                    suggestion(name, FAMILIES),
                )  # fmt: skip
        check_range("audit.budget", self.budget, 1, 6)
        check_range("audit.sample_seed", self.sample_seed, 0, 2**31 - 1)

    def raw_attacks(self, modality: str) -> tuple[str, ...]:
        """Attacks on the raw record of this modality.

        Raises:
            ConfigError: One of those asked for cannot read such a record.
        """
        kind = {"image": "picture", "table": "flat", "text": "text"}[modality]
        for name in self.raw:
            if kind not in ATTACKS[name].kinds:
                raise ConfigError("audit.raw", name, f"an attack on {modality} records")
        return self.raw or _RAW[modality]
