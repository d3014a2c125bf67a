"""A section of params.yaml -> the dataclass that describes it.

Every key is checked against the dataclass: unknown keys, missing keys and wrong types are refused
with where, what and a hint; ranges are the dataclass's own business. The file is read as YAML
1.2, as DVC reads it: in YAML 1.1 (PyYAML) `1e-4` would be text and `no` would be false.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tiprdc.errors import ConfigError, suggestion

T = TypeVar("T")

_NAMES: dict[object, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def load(
    section: str,
    cls: type[T],
    path: Path = Path("params.yaml"),
    *,
    auto: Mapping[str, Any] = types.MappingProxyType({}),
) -> T:
    """Read one section into its dataclass.

    Args:
        section: Key at the top of the file.
        cls: A dataclass; its fields may be dataclasses themselves.
        path: The file.
        auto: Dotted key -> what it is where the file says `auto`, or does not name it; or a
            function that says so of the keys beside it.

    Raises:
        ConfigError: The file or a key is not as the dataclass says.
    """
    sections = _read(path)
    if section not in sections:
        raise ConfigError(
            section, f"no such section in {path}", "one section a stage",
            suggestion(section, sections) or f"add `{section}:` to {path}",
        )  # fmt: skip
    given = _filled(sections[section] or {}, auto, section)
    return cast(T, build(cls, given, section))


def build(kind: Any, given: Any, where: str) -> Any:
    """Check a value against a type and return it as that type.

    Args:
        kind: A dataclass, str, int, float, bool, Literal, a union, `tuple[kind, ...]` or
            `dict[str, kind]`.
        given: The value as YAML has it.
        where: Its key, with dots.

    Raises:
        ConfigError: The value is of another type.
    """
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(cast(type, kind), given, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _build_literal(arguments, given, where)
    if origin in (Union, types.UnionType):
        return _build_union(arguments, given, where)
    if origin is tuple and isinstance(given, list):
        return tuple(build(arguments[0], v, f"{where}[{n}]") for n, v in enumerate(given))
    if origin is dict and isinstance(given, Mapping):
        return {
            build(str, key, where): build(arguments[1], value, f"{where}.{key}")
            for key, value in given.items()
        }
    if kind is float and type(given) is int:
        return float(given)
    if type(given) is not kind or (kind is float and not math.isfinite(given)):
        raise _wrong_type(kind, given, where)
    return given


def _filled(given: Any, auto: Mapping[str, Any], where: str) -> Any:
    """The same with what is left to `auto`; what is no section stays as it is, to be refused."""
    inside = {key.removeprefix(f"{where}."): key for key in auto if key.startswith(f"{where}.")}
    if not inside or not isinstance(given, Mapping):
        return given
    filled = dict(given)
    for name in dict.fromkeys(key.partition(".")[0] for key in inside):
        if name in inside:
            said = filled.get(name, "auto")
            if said == "auto":
                value = auto[inside[name]]
                filled[name] = value(given) if callable(value) else value
            elif isinstance(said, str):
                raise ConfigError(
                    f"{where}.{name}", said, "a value, or auto", suggestion(said, ["auto"])
                )
        else:
            filled[name] = _filled(filled.get(name, {}), auto, f"{where}.{name}")
    return filled


def _read(path: Path) -> Mapping[str, Any]:
    try:
        sections = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            str(path), "no such file", "the project's settings", "run this in the project's folder"
        ) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}, line {line}", error.problem or "not YAML", "YAML 1.2") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), type(error).__name__, "YAML 1.2 in UTF-8") from None
    if not isinstance(sections, Mapping):
        raise ConfigError(str(path), _describe(sections), "sections with keys")
    return sections


def _build_dataclass(kind: type, given: Any, where: str) -> Any:
    if not isinstance(given, Mapping):
        raise ConfigError(where, _describe(given), "keys with values, one a line")
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in given:
        if key not in fields:
            raise ConfigError(
                f"{where}.{key}", "unknown key", f"one of {', '.join(fields)}",
                suggestion(str(key), fields),
            )  # fmt: skip
    for name, field in fields.items():
        if name not in given and _is_required(field):
            raise ConfigError(
                f"{where}.{name}", "missing", _phrase(hints[name]), f"add `{name}:` under {where}"
            )
    return kind(**{key: build(hints[key], value, f"{where}.{key}") for key, value in given.items()})


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _build_literal(expected: tuple[Any, ...], given: Any, where: str) -> Any:
    for value in expected:
        # 1 == True == 1.0 in Python, not in a settings file.
        if given == value and type(given) is type(value):
            return value
    names = [str(value) for value in expected]
    raise ConfigError(where, given, f"one of {', '.join(names)}", suggestion(str(given), names))


def _build_union(kinds: tuple[Any, ...], given: Any, where: str) -> Any:
    if given is None and type(None) in kinds:
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    if len(others) == 1 and given is not None:
        return build(others[0], given, where)
    for kind in others:
        try:
            return build(kind, given, where)
        except ConfigError:
            continue
    raise ConfigError(where, _describe(given), " or ".join(map(_phrase, kinds)))


def _wrong_type(kind: Any, given: Any, where: str) -> ConfigError:
    hint = ""
    if kind is str and given is not None:
        hint = "put it in quotes"
    elif get_origin(kind) is tuple:
        hint = "write it as a list: one `- value` a line, or [value, value]"
    return ConfigError(where, _describe(given), _phrase(kind), hint)


def _phrase(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return f"a list, each {_phrase(arguments[0])}"
    if origin is dict:
        return f"names, each with {_phrase(arguments[1])}"
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (Union, types.UnionType):
        return " or ".join(map(_phrase, arguments))
    return _NAMES.get(kind, "keys with values")


def _describe(given: Any) -> str:
    if given is None:
        return "nothing"
    if isinstance(given, Mapping):
        return "keys with values"
    if isinstance(given, list):
        return f"a list of {len(given)}"
    return f"{given!r} ({_NAMES.get(type(given), type(given).__name__)})"
