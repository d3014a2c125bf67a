"""Columns of Arrow as texts, and what else they contain, without pandas.

`prepare` and devices read the cells of Parquet with these functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tiprdc.datasets.tables.names import show_name
from tiprdc.errors import DataError

_INDEX = "__index_level_"
"""How pandas names an index that it writes and nobody named."""
_MOST_EXACT = 2.0**53
"""Whole numbers beyond this have no text of their own in float64."""
BYTES, PATH = "bytes", "path"
"""Fields of a picture as Hugging Face writes it."""
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)


def column_names(names: Iterable[str], file: str, where: str) -> list[str]:
    """Names of the columns of a Parquet file, without the index that pandas writes.

    Args:
        names: All of the file's own.
        file: Its name, for messages.
        where: The key that names it, for messages.

    Raises:
        DataError: A column has no name, or the name of another.
    """
    own = [name for name in names if not name.startswith(_INDEX)]
    repeated = [name for name in own if own.count(name) > 1]
    if repeated or "" in own:
        given = f"two columns named {show_name(repeated[0])!r}" if repeated else "a nameless column"
        expected = "a different name for each column"
        raise DataError(where, f"{file} has {given}", expected, "rename or delete one")
    return own


def refuse_broken(file: str, where: str) -> NoReturn:
    """Refuse a file that is not Parquet, or of which a part is damaged.

    Raises:
        DataError: Always.
    """
    given = f"{file} is not a readable Parquet file"
    raise DataError(where, given, "a .parquet file", "copy the file again") from None


def unwrap(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column in Arrow's own types, those of extensions unwrapped."""
    if not isinstance(column.type, pa.BaseExtensionType):
        return column
    storage = [chunk.storage for chunk in column.chunks]
    return pa.chunked_array(storage, column.type.storage_type)


def describe(kind: pa.DataType) -> str:
    """What a column that is no text contains, in words."""
    names = {
        "bytes": _BINARY,
        "structs": (pa.types.is_struct,),
        "maps": (pa.types.is_map,),
        "lists": _LISTS,
        "durations": (pa.types.is_duration,),
    }
    for name, checks in names.items():
        if any(check(kind) for check in checks):
            return name
    return "values that are no text"


def is_list_of_numbers(kind: pa.DataType) -> bool:
    """Whether the values of a type are lists of numbers."""
    return any(check(kind) for check in _LISTS) and _is_number(kind.value_type)


def is_bytes(kind: pa.DataType) -> bool:
    """Whether the values of a type are bytes."""
    return any(check(kind) for check in _BINARY)


def struct_field(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray | None:
    """A field of a column of structs; None if they have no such field."""
    present = [column.type.field(n).name for n in range(column.type.num_fields)]
    return pc.struct_field(column, name) if name in present else None


def as_text(column: pa.ChunkedArray, *, whole: bool | None = None) -> pa.ChunkedArray | None:
    """A column as text; None if its values are no text.

    Args:
        column: The column, or a part of it.
        whole: Whether numbers of floating point are written without decimals: 1, not 1.0. None: if
            all of them are whole.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return as_text(unwrap(column), whole=whole)
    if pa.types.is_dictionary(kind):
        return as_text(column.cast(kind.value_type), whole=whole)
    if pa.types.is_run_end_encoded(kind):
        decoded = pa.chunked_array(map(pc.run_end_decode, column.chunks), kind.value_type)
        return as_text(decoded, whole=whole)
    if pa.types.is_floating(kind):
        return _float_text(column, whole)
    if pa.types.is_boolean(kind):
        return pc.if_else(column, "True", "False")
    plain = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
             pa.types.is_integer, pa.types.is_decimal, pa.types.is_date, pa.types.is_time,
             pa.types.is_timestamp, pa.types.is_null)  # fmt: skip
    return column.cast(pa.string()) if any(check(kind) for check in plain) else None


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _float_text(column: pa.ChunkedArray, whole: bool | None) -> pa.ChunkedArray:
    numbers = column.to_numpy()
    with np.errstate(invalid="ignore"):
        exact = np.isfinite(numbers) & (numbers == np.round(numbers))
        exact &= np.abs(numbers) < _MOST_EXACT
    if whole is None:
        whole = bool(exact[~np.isnan(numbers)].all())
    texts = [
        None if np.isnan(number) else str(int(number) if whole and is_exact else number)
        for number, is_exact in zip(numbers, exact, strict=True)
    ]
    return pa.chunked_array([pa.array(texts, pa.string())])
