"""A policy from a file: what `audit.policy` has in params.yaml, alone in a YAML file."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from tiprdc.audit.config import PolicyConfig
from tiprdc.errors import ConfigError, suggestion

_TYPES: dict[str, tuple[type, ...]] = {
    "margin": (float, int),
    "against": (str,),
    "confidence": (float, int),
    "min_people": (int,),
}
_MOST_BYTES = 100_000


def read_policy(path: Path) -> PolicyConfig:
    """Read a policy.

    Raises:
        ConfigError: The file is not there, not YAML, or holds a key or value that is no policy's.
    """
    import yaml

    where = str(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(where, "a large file", f"at most {_MOST_BYTES:,} bytes")
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(where, "no such file", "a YAML file with a policy") from None
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(where, f"not YAML ({type(error).__name__})", "YAML in UTF-8") from None
    known = [field.name for field in fields(PolicyConfig)]
    if not isinstance(given, dict):
        raise ConfigError(where, "no keys", f"some of {', '.join(known)}")
    for key, value in given.items():
        if key not in known:
            raise ConfigError(
                f"{where}: {key}", "unknown key", f"one of {', '.join(known)}",
                suggestion(str(key), known),
            )  # fmt: skip
        if type(value) not in _TYPES[key]:
            said = "a whole number" if int in _TYPES[key] else "text"
            said = "a number, e.g. 0.05" if float in _TYPES[key] else said
            raise ConfigError(f"{where}: {key}", repr(value), said)
    if given.get("against", "prior") not in ("prior", "floor"):
        raise ConfigError(f"{where}: against", given["against"], "prior or floor")
    return PolicyConfig(**given)
