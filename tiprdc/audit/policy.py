"""The rule that decides PASS or FAIL (`audit.policy`), and the YAML file of these keys alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from tiprdc.errors import ConfigError
from tiprdc.settings import Settings, convert

MAX_BYTES = 100_000


class PolicyConfig(Settings, frozen=True, kw_only=True):
    """The rule that decides PASS or FAIL (`audit.policy`)."""

    params_key: ClassVar[str] = "audit.policy"

    margin: Annotated[
        float,
        Meta(
            ge=0.001, le=0.5,
            description="Distance that the upper bound of balanced accuracy may have from the "
            "baseline.",
        ),
    ] = 0.10  # fmt: skip
    against: Annotated[
        Literal["prior", "floor"],
        Meta(
            description="Baseline. prior: the best guess without features. floor: what true "
            "utility labels alone reveal.",
        ),
    ] = "prior"
    confidence: Annotated[
        float, Meta(ge=0.8, le=0.9999, description="Confidence of each one-sided bound.")
    ] = 0.95
    min_people: Annotated[
        int,
        Meta(ge=20, le=10_000_000, description="Fewest people of each class in attacker-test."),
    ] = 200
    attacker_people: Annotated[
        Literal["auto"] | Annotated[int, Meta(ge=100, le=10_000_000_000)],
        Meta(
            description="People of the attacker that a PASS must withstand: learning curves are "
            "extrapolated to them. auto: ten times those of the audit's own attackers.",
        ),
    ] = "auto"
    certificate: Annotated[
        bool,
        Meta(
            description="Whether a PASS needs a certificate: a bound on every attacker, which "
            "only features of few values have.",
        ),
    ] = False


def read_policy(path: Path) -> PolicyConfig:
    """Read a policy.

    Args:
        path: YAML in UTF-8, at most `MAX_BYTES`. PyYAML reads YAML 1.1: write 0.0001, not 1e-4.

    Raises:
        ConfigError: The file is missing or no YAML, or a key is unknown, twice there
            or out of range.
    """
    import yaml

    where = str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(where, "the file is too large", f"at most {MAX_BYTES:,} bytes")
        text = path.read_text(encoding="utf-8")
        values: Any = yaml.safe_load(text)
        node: Any = yaml.compose(text, yaml.SafeLoader)
    except FileNotFoundError:
        raise ConfigError(where, "no such file", "a YAML file with a policy") from None
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(where, f"not YAML ({type(error).__name__})", "YAML in UTF-8") from None
    if not isinstance(values, dict):
        known = ", ".join(PolicyConfig.__struct_fields__)
        raise ConfigError(where, "no keys", f"some of {known}")
    # PyYAML itself takes the last of two equal keys.
    names = [key.value for key, _ in node.value]
    for name in values:
        if names.count(name) > 1:
            raise ConfigError(f"{where}: {name}", "duplicate key", hint="keep one of the two")
    return convert(PolicyConfig, values, f"{where}: ")
