"""Columns of a table as a foreign model takes them: one matrix, or one input a column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.datasets.manifest.inputs import PREFIX
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.datasets.reader import Fitted
from tiprdc.datasets.schema import Column
from tiprdc.datasets.tables.names import list_names, refuse_absent_column
from tiprdc.errors import DataError, ModelError
from tiprdc.formats.manifest import Contract
from tiprdc.sandbox.execution import Feed
from tiprdc.sandbox.messages import quote
from tiprdc.sandbox.model_info import TEXT, ModelInfo

_LARGEST_EXACT = 2**24
"""Records are float32, which holds every whole number up to this one."""


@dataclass(frozen=True, kw_only=True)
class TableAdapter:
    """Converts records `[N, F]` to a model's input, or to one input a column.

    Args:
        columns: The F columns.
        matrix: The only input and its type; None: one input a column.
        inputs: Input, number of its column, numpy's name of its type and number of axes.
    """

    columns: tuple[Column, ...]
    matrix: tuple[str, str] | None = None
    inputs: tuple[tuple[str, int, str, int], ...] = ()

    def __call__(self, x: NDArray[Any]) -> Feed:
        """The inputs.

        Raises:
            DataError: A column holds numbers that the input's type does not.
        """
        if self.matrix:
            name, dtype = self.matrix
            for column, values in zip(self.columns, x.T, strict=True):
                _cast(values, dtype, column)
            return {name: x.astype(dtype)}
        return {
            name: _cast(x[:, number], dtype, self.columns[number]).reshape((-1, 1)[:axes])
            for name, number, dtype, axes in self.inputs
        }

    def notes(self) -> Iterator[str]:
        """How columns were given to the model."""
        if not self.matrix:
            yield "Each input of the model got the column of its name."


def table_adapter(model: ModelInfo, fitted: Fitted) -> TableAdapter:
    """The adapter of a model for tables.

    Raises:
        ModelError: An input is not one column.
        DataError: No column has the name of an input.
    """
    if not _by_column(model):
        only = model.inputs[0]
        return TableAdapter(columns=fitted.columns, matrix=(only.name, only.dtype))
    numbers = {_plain(column.name): n for n, column in enumerate(fitted.columns)}
    inputs = tuple(
        (tensor.name, numbers[_plain(tensor.name)], tensor.dtype, 1 + len(tensor.shape or ()))
        for tensor in model.inputs
    )
    return TableAdapter(columns=fitted.columns, inputs=inputs)


def input_columns(model: ModelInfo, stated: Sequence[str], available: Iterable[str]) -> list[str]:
    """The columns that the inputs of a model name, in their order; empty for a matrix.

    Args:
        model: The validated model.
        stated: Columns of `--x`.
        available: All columns of the data.

    Raises:
        ModelError: An input takes more than one column.
        DataError: No column has the name of an input, or `--x` names others.
    """
    if not _by_column(model):
        return list(stated)
    for tensor in model.inputs:
        if (tensor.shape or ()) not in ((), (1,), (None,)):
            raise ModelError(
                "MODEL", f"the input {quote(tensor.name)} takes {tensor.shape} numbers a record",
                "one input of all columns, or inputs of one column each",
                "export it with one input for each column (skl2onnx: initial_types)",
            )  # fmt: skip
    columns = {_plain(name): name for name in (stated or available)}
    missing = [t.name for t in model.inputs if _plain(t.name) not in columns]
    if missing or (stated and len(stated) != len(model.inputs)):
        names = ", ".join(quote(tensor.name) for tensor in model.inputs[:30])
        given = f"no column for the inputs {', '.join(map(quote, missing[:10]))}"
        raise DataError(
            "--x", given if missing else f"{len(stated)} columns",
            f"the columns that the model's inputs name: {names}", "rename the columns of the data",
        )  # fmt: skip
    return [columns[_plain(tensor.name)] for tensor in model.inputs]


def text_columns(model: ModelInfo, columns: Sequence[str]) -> set[str]:
    """Those of some columns that the model takes as texts."""
    texts = {_plain(tensor.name) for tensor in model.inputs if tensor.dtype == TEXT}
    return {name for name in columns if _plain(name) in texts}


def fit_columns(
    reader: ManifestReader,
    records: pd.DataFrame,
    train: pd.DataFrame,
    model: ModelInfo,
    contract: Contract | None,
) -> Fitted:
    """Columns of the records.

    Args:
        reader: Of the manifest.
        records: All rows of its index: their texts are the categories.
        train: Those of attacker-train.
        model: The first model.
        contract: The release's manifest.json; None where there is none.

    Raises:
        DataError: A column is text where the model takes numbers, or there are more or fewer
            columns than the model takes.
    """
    texts = text_columns(model, [name[len(PREFIX) :] for name in _inputs(train)])
    numbers = train.drop(columns=[f"{PREFIX}{name}" for name in texts])
    fitted = reader.fit(numbers) if _inputs(numbers) else Fitted(shape=(0,))
    if contract:
        columns = _contract_columns(contract)
        available = [name[len(PREFIX) :] for name in _inputs(records)]
        for column in columns:
            refuse_absent_column(column.name, available, "the input", "--x")
        return replace(fitted, columns=columns, shape=(len(columns),))
    by_name = {column.name: column for column in fitted.columns}
    for column in fitted.columns:
        if column.categories:
            raise DataError(
                "--x", f"column {column.name!r} contains text", "columns of numbers",
                "write the numbers that the model was trained on, or leave it out with --x",
            )  # fmt: skip
    names = [name[len(PREFIX) :] for name in _inputs(records)]
    for name in names:
        if name not in by_name:
            values = records[PREFIX + name].dropna()
            by_name[name] = Column(name=name, categories=tuple(sorted(set(values))))
    columns = tuple(by_name[name] for name in names)
    if not _by_column(model) and model.inputs[0].shape not in ((len(columns),), (None,)):
        raise DataError(
            "--x", f"{len(columns)} columns ({list_names(names)})",
            f"as many as the model takes: {model.inputs[0].shape}",
            "name them in its order with --x",
        )  # fmt: skip
    return replace(
        fitted, columns=columns, shape=(len(columns),), notes=tuple(_gaps(records, columns))
    )


def _gaps(records: pd.DataFrame, columns: Sequence[Column]) -> Iterator[str]:
    """What a model got in place of missing values."""
    for column in columns:
        missing = int(records[PREFIX + column.name].isna().sum())
        if missing:
            what = "an empty text" if column.categories else "the column's mean"
            yield f"{missing:,} missing values of {column.name} were given to the model as {what}."


def _inputs(records: pd.DataFrame) -> list[str]:
    return [str(name) for name in records.columns if str(name).startswith(PREFIX)]


def _by_column(model: ModelInfo) -> bool:
    """Whether each input takes one column, as skl2onnx writes data frames."""
    return len(model.inputs) > 1 or model.inputs[0].dtype == TEXT


def _plain(name: str) -> str:
    """A column's name as exporters write it: letters, digits and underscores."""
    return re.sub(r"\W", "_", name)


def _contract_columns(contract: Contract) -> tuple[Column, ...]:
    """Columns of the release; their standard deviations scale the raw record for attacks."""
    return tuple(
        Column(name=c.name, categories=c.categories, mean=c.mean, std=c.std if c.std > 0 else 1.0)
        for c in contract.columns
    )


def _cast(values: NDArray[Any], dtype: str, column: Column) -> NDArray[Any]:
    """One column `[N]` in the type of the model's input."""
    if dtype == TEXT:
        texts = np.array([*column.categories, ""], dtype=np.str_)
        chosen: NDArray[Any] = texts[values.astype(np.intp)]
        return chosen
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(dtype)
    kind = np.dtype(dtype).kind
    fits = np.isfinite(cast) if kind == "f" else cast == values
    if kind != "f":
        fits &= np.abs(values) < _LARGEST_EXACT
    if not fits.all():
        raise DataError(
            "--x",
            f"column {column.name!r} holds {int((~fits).sum()):,} numbers that are no {dtype}",
            f"numbers of the model's type, {dtype}",
            "scale the column as in the model's training, or leave it out with --x",
        )  # fmt: skip
    return cast
