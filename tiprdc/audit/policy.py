"""Reads a release policy: the keys of `audit.policy`, alone in a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiprdc.audit.config import PolicyConfig
from tiprdc.errors import ConfigError
from tiprdc.settings import convert

MAX_BYTES = 100_000


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
