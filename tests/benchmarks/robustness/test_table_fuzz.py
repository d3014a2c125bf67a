"""The fuzz target of tables: whole files keep every record, no message holds a cell."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from benchmarks.robustness import table_fuzz
from benchmarks.robustness.table_files import MARK, TableFile, table_files
from tiprdc.errors import DataError


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(table_files())
def test_no_file_has_a_fault(file: TableFile) -> None:
    assert not set(table_fuzz.outcomes(file)) & set(table_fuzz.FAULTS)


def test_whole_file_is_read_by_every_reader_of_texts() -> None:
    rows = "".join(f"p{n},{'fm'[n % 2]},{'ab'[n // 2 % 2]},a text of {n}\n" for n in range(12))
    file = TableFile("people.csv", f"who,gender,rich,x\n{rows}".encode(), 12)
    assert table_fuzz.outcomes(file)[1:] == ["read", "read"]


def test_each_fault_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    file = TableFile("people.parquet", b"", 12)

    def show(path: Path, modality: str) -> int:
        raise DataError("path", f"a cell: {MARK}")

    monkeypatch.setattr(table_fuzz, "_prepare", show)
    assert table_fuzz.outcomes(file) == ["shown"] * 2
    monkeypatch.setattr(table_fuzz, "_prepare", lambda path, modality: 11)
    assert table_fuzz.outcomes(file) == ["lost"] * 2
    monkeypatch.setattr(table_fuzz, "_prepare", lambda path, modality: 1 // 0)
    assert table_fuzz.outcomes(file) == ["surprises"] * 2
