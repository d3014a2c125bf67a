"""Settings as typed models: msgspec checks types and ranges, this module words the refusals.

A model states each range and description once, in its fields' types. Ranges hold however a model is
made: read from a file, constructed in Python or changed with `msgspec.structs.replace`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar, cast, get_type_hints

import msgspec
from msgspec import inspect

from tiprdc.errors import ConfigError, suggestion

T = TypeVar("T")

MAX_SEED = 2**31 - 1
"""Largest seed that every library here accepts."""

_NAMES: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
_SCALARS: dict[type[inspect.Type], type] = {
    inspect.StrType: str,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.BoolType: bool,
    inspect.NoneType: type(None),
}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base class of all settings; every field has a default, a range and a description.

    Raises:
        ConfigError: A value has another type or is out of its range, or two values conflict.
    """

    params_key: ClassVar[str] = ""
    """Dotted key of these settings in params.yaml, for messages."""

    def __post_init__(self) -> None:
        # msgspec checks what it converts, not what Python constructs.
        for name, kind in _field_types(type(self)).items():
            value = getattr(self, name)
            converted = convert(kind, value, f"{self.params_key}.{name}")
            if converted is not value:
                msgspec.structs.force_setattr(self, name, converted)
        self._check()

    def _check(self) -> None:
        """Check what no single field's type can state; overridden where there is such a rule.

        Raises:
            ConfigError: Two values conflict, or a name is unknown.
        """


def convert(kind: type[T], value: Any, where: str) -> T:
    """Check a value of a settings file and return it as its type.

    Args:
        kind: A subclass of `Settings`, or a type that such a class may have as a field.
        value: The value as YAML has it.
        where: Its dotted key, or a prefix that ends with a space.

    Raises:
        ConfigError: The value does not fit the type; names the key and what is expected.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, ConfigError):
            raise _relocate(error.__cause__, kind, where) from None
        _explain(inspect.type_info(kind), value, where)
        raise ConfigError(where, str(error)) from None


@functools.cache
def _field_types(kind: type[Settings]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.__struct_fields__}


def _key(where: str, name: object) -> str:
    return f"{where}{name}" if where.endswith(" ") else f"{where}.{name}"


def _relocate(error: ConfigError, kind: Any, where: str) -> ConfigError:
    """The error with the key of the file that was read in place of the model's own key."""
    for nested, key in _models(inspect.type_info(kind), where):
        if f"{error.where}.".startswith(f"{nested.params_key}."):
            rest = error.where.removeprefix(nested.params_key).removeprefix(".")
            moved = _key(key, rest) if rest else key.rstrip(": ")
            return ConfigError(moved, error.given, error.expected, error.hint)
    return error


def _models(info: inspect.Type, where: str) -> Iterator[tuple[type[Settings], str]]:
    """Each model in a type with its key, the inner ones first."""
    if isinstance(info, inspect.Metadata):
        yield from _models(info.type, where)
    elif isinstance(info, inspect.StructType):
        for field in info.fields:
            yield from _models(field.type, _key(where, field.name))
        yield cast(type[Settings], info.cls), where


def _explain(info: inspect.Type, value: Any, where: str) -> None:
    """Raise the ConfigError of the first fault in a value; return if there is none."""
    if isinstance(info, inspect.Metadata):
        _explain(info.type, value, where)
    elif isinstance(info, inspect.StructType):
        _explain_model(info, value, where)
    elif isinstance(info, inspect.UnionType):
        _explain_union(info, value, where)
    elif isinstance(info, inspect.LiteralType):
        _explain_literal(info, value, where)
    elif isinstance(info, inspect.VarTupleType):
        _explain_list(info, value, where)
    elif isinstance(info, inspect.DictType):
        if not isinstance(value, Mapping):
            raise _wrong_type(info, value, where)
        for key, item in value.items():
            _explain(info.key_type, key, where)
            _explain(info.value_type, item, _key(where, key))
    else:
        _explain_scalar(info, value, where)


def _explain_model(info: inspect.StructType, value: Any, where: str) -> None:
    if isinstance(value, info.cls):
        return
    if not isinstance(value, Mapping):
        raise ConfigError(where.rstrip(": "), _describe(value), "keys with values, one a line")
    fields = {field.name: field for field in info.fields}
    for key in value:
        if key not in fields:
            raise ConfigError(
                _key(where, key), "unknown key", f"one of {', '.join(fields)}",
                suggestion(str(key), fields),
            )  # fmt: skip
    for name, field in fields.items():
        if name in value:
            _explain(field.type, value[name], _key(where, name))
        elif field.required:
            raise ConfigError(
                _key(where, name), "missing", _phrase(field.type), f"add `{name}:` under {where}"
            )


def _explain_union(info: inspect.UnionType, value: Any, where: str) -> None:
    """Explain by the one member that a value of this kind can be meant for."""
    if value is None and info.includes_none:
        return
    members = [kind for kind in info.types if not isinstance(kind, inspect.NoneType)]
    lists = isinstance(value, list | tuple)
    near = [kind for kind in members if isinstance(_bare(kind), inspect.VarTupleType) == lists]
    if value is not None and (len(members) == 1 or (lists and near)):
        _explain((near or members)[0], value, where)
        return
    for kind in near:
        if isinstance(value, _SCALARS.get(type(_bare(kind)), object)):
            _explain(kind, value, where)
            return
    raise ConfigError(where, _describe(value), _phrase(info))


def _explain_literal(info: inspect.LiteralType, value: Any, where: str) -> None:
    # 1 == True == 1.0 in Python, not in a settings file.
    if any(value == allowed and type(value) is type(allowed) for allowed in info.values):
        return
    names = [str(allowed) for allowed in info.values]
    raise ConfigError(where, value, f"one of {', '.join(names)}", suggestion(str(value), names))


def _explain_list(info: inspect.VarTupleType, value: Any, where: str) -> None:
    if not isinstance(value, list | tuple):
        raise _wrong_type(info, value, where)
    for number, item in enumerate(value):
        _explain(info.item_type, item, f"{where}[{number}]")
    if len(value) < (info.min_length or 0):
        expected = "at least one" if info.min_length == 1 else f"at least {info.min_length}"
        raise ConfigError(where, "empty" if not value else f"{len(value)} values", expected)


def _explain_scalar(info: inspect.Type, value: Any, where: str) -> None:
    kind = _SCALARS.get(type(info))
    if kind is None:
        return
    whole_as_float = kind is float and type(value) is int
    if type(value) is not kind and not whole_as_float:
        raise _wrong_type(info, value, where)
    if isinstance(info, inspect.StrType):
        if len(value) < (info.min_length or 0):
            raise ConfigError(where, "empty", "text that is not empty")
        return
    if not isinstance(info, inspect.IntType | inspect.FloatType):
        return
    number = float(value) if kind is float else value
    if not math.isfinite(number):
        raise _wrong_type(info, value, where)
    above = (info.ge is None or number >= info.ge) and (info.gt is None or number > info.gt)
    below = (info.le is None or number <= info.le) and (info.lt is None or number < info.lt)
    if not (above and below):
        raise ConfigError(where, number, _range(info))


def _range(info: inspect.IntType | inspect.FloatType) -> str:
    if info.ge is not None and info.le is not None:
        return f"{info.ge:.10g} to {info.le:.10g}"
    bounds = ((info.gt, "above"), (info.ge, "at least"), (info.lt, "below"), (info.le, "at most"))
    return " and ".join(f"{word} {bound:.10g}" for bound, word in bounds if bound is not None)


def _bare(info: inspect.Type) -> inspect.Type:
    return info.type if isinstance(info, inspect.Metadata) else info


def _wrong_type(info: inspect.Type, value: Any, where: str) -> ConfigError:
    hint = ""
    if isinstance(info, inspect.StrType) and value is not None:
        hint = "put it in quotes"
    elif isinstance(info, inspect.IntType | inspect.FloatType) and isinstance(value, str):
        hint = "write a number without quotes, such as 3 or 0.05"
    elif isinstance(info, inspect.VarTupleType):
        hint = "write it as a list: one `- value` a line, or [value, value]"
    return ConfigError(where, _describe(value), _phrase(info), hint)


def _phrase(info: inspect.Type) -> str:
    """What a type allows, in words."""
    info = _bare(info)
    if isinstance(info, inspect.VarTupleType):
        return f"a list, each {_phrase(info.item_type)}"
    if isinstance(info, inspect.DictType):
        return f"names, each with {_phrase(info.value_type)}"
    if isinstance(info, inspect.LiteralType):
        return f"one of {', '.join(map(str, info.values))}"
    if isinstance(info, inspect.UnionType):
        return " or ".join(map(_phrase, info.types))
    kind = _SCALARS.get(type(info))
    return _NAMES[kind] if kind else "keys with values"


def _describe(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "keys with values"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"{value!r} ({_NAMES.get(type(value), type(value).__name__)})"


def fill_auto(values: Any, auto: Mapping[str, Any], section: str) -> Any:
    """A section with a value for each `auto`; what is no mapping is left for `convert`.

    Args:
        values: The section as written.
        auto: Dotted key -> its value where the section has `auto` or does not name the key. A
            function is called with what is above the key's own mapping, as written, and returns the
            value.
        section: Dotted key of the section.

    Raises:
        ConfigError: Such a key has a text other than `auto`.
    """
    return _fill(values, auto, section, {})


def _fill(values: Any, auto: Mapping[str, Any], where: str, above: Any) -> Any:
    inside = {key.removeprefix(f"{where}."): key for key in auto if key.startswith(f"{where}.")}
    if not inside or not isinstance(values, Mapping):
        return values
    filled = dict(values)
    for name in dict.fromkeys(key.partition(".")[0] for key in inside):
        if name not in inside:
            filled[name] = _fill(filled.get(name, {}), auto, f"{where}.{name}", values)
            continue
        value, default = filled.get(name, "auto"), auto[inside[name]]
        default = default(above) if callable(default) else default
        if value == "auto":
            filled[name] = default
        elif isinstance(value, str) and not isinstance(default, str):
            raise ConfigError(
                f"{where}.{name}", value, "a value, or auto", suggestion(value, ["auto"])
            )
    return filled
