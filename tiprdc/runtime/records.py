"""What a device holds, pictures, texts or rows of a table, as batches for an extractor.

Each record has a name, the order is always the same, and a record that cannot be read is a
`Failure` with its reason: never a gap that nobody notices, never the end of the whole run.
"""

from __future__ import annotations

import csv
import hashlib
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.images import SUFFIXES, read_image
from tiprdc.errors import ConfigError, DataError, suggestion
from tiprdc.formats.files import sanitize, sha256
from tiprdc.formats.manifest import Contract
from tiprdc.runtime.columns import MISSING, encode_columns, require_columns
from tiprdc.runtime.extractor import Batch

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A record without features: its name, and why; never what it holds."""

    id: str
    reason: str


class RecordSource(ABC):
    """Records that are there.

    Args:
        ids: Their names, in the order of the output.
        digest: sha256 that changes when the list of records, or one of their files, does.
    """

    ids: Sequence[str]
    digest: str

    @abstractmethod
    def read(self, start: int, stop: int) -> tuple[Batch, NDArray[np.int64], dict[int, Failure]]:
        """Records start to stop.

        Returns:
            Those that could be read, as `Extractor` takes them; their places among all records; and
            the others by their place.
        """

    def __len__(self) -> int:
        return len(self.ids)


def open_records(
    path: Path, contract: Contract, *, column: str | None = None, id_column: str | None = None
) -> RecordSource:
    """What lies at a path, as the records that a release takes.

    Args:
        path: For pictures a folder, a picture, or a file that lists paths line by line, relative to
            the list; for texts a .txt with one a line, or a .csv or .tsv; for tables .csv or .tsv.
        contract: Of the release.
        column: For texts in a table, the column that holds them.
        id_column: In a table, the column with the records' names; else they are numbered from 1.

    Raises:
        DataError: There is nothing like this at the path.
        ConfigError: An option is missing, or does not belong to this kind of record.
    """
    if not path.exists():
        near = suggestion(path.name, [p.name for p in path.parent.glob("*")])
        raise DataError(sanitize(str(path)), "no such file or folder", "what is there", near)
    table = path.suffix.lower() in _SEPARATORS
    for option, given in (("--column", column), ("--id", id_column)):
        if given is not None and (not table or contract.modality == "image"):
            raise ConfigError(option, sanitize(given), "only with a .csv or .tsv of texts or rows")
    if contract.modality == "image":
        return Pictures(path, contract)
    if contract.modality == "table":
        if column is not None:
            raise ConfigError("--column", sanitize(column), "for texts; a table has its columns")
        return Rows(path, contract, id_column)
    return Texts(path, column, id_column)


class Pictures(RecordSource):
    """Picture files, searched in a folder and its folders, or listed."""

    def __init__(self, path: Path, contract: Contract) -> None:
        channels, height, width = contract.input_shape
        if channels != 3 or height != width:
            raise DataError("manifest.json", "pictures that are no squares in RGB", "3 x N x N")
        self._size = width
        self._files = list(_pictures(path))
        if not self._files:
            wanted = f"pictures ({', '.join(SUFFIXES)})"
            raise DataError(sanitize(str(path)), "no picture in it", wanted)
        self.ids = [name for name, _ in self._files]
        self.digest = _digest(f"{name}\0{_state(file)}" for name, file in self._files)

    def read(self, start: int, stop: int) -> tuple[Batch, NDArray[np.int64], dict[int, Failure]]:
        x: list[NDArray[np.uint8]] = []
        kept: list[int] = []
        failures: dict[int, Failure] = {}
        for place, (name, file) in enumerate(self._files[start:stop], start):
            picture = read_image(file, self._size) if file.is_file() else None
            if picture is None:
                failures[place] = Failure(id=name, reason=_why(file))
            else:
                x.append(picture)
                kept.append(place)
        shape = (0, 3, self._size, self._size)
        return np.stack(x) if x else np.zeros(shape, np.uint8), _places(kept), failures


class Texts(RecordSource):
    """One text a line, or one a row in a column of a table."""

    def __init__(self, path: Path, column: str | None, id_column: str | None) -> None:
        if path.suffix.lower() in _SEPARATORS:
            if column is None:
                raise ConfigError("--column", "not given", "the column that holds the texts")
            table = _Table(path)
            self._texts, self._bad = table.column(column), dict(table.bad)
            self.ids = table.ids(id_column)
        else:
            self._texts, self._bad = _lines(path), {}
            self.ids = _numbers(len(self._texts))
        for row, text in enumerate(self._texts):
            if text.strip() in MISSING:
                self._bad.setdefault(row, "an empty text")
            elif not _is_unicode(text):
                self._bad.setdefault(row, "not UTF-8")
        self.digest = _digest([column or "", id_column or "", sha256(path)])

    def read(self, start: int, stop: int) -> tuple[Batch, NDArray[np.int64], dict[int, Failure]]:
        rows = [row for row in range(start, min(stop, len(self))) if row not in self._bad]
        texts = [self._texts[row] for row in rows]
        return texts, _places(rows), _failed(self._bad, self.ids, start, stop)


class Rows(RecordSource):
    """Rows of a table with the contract's columns."""

    def __init__(self, path: Path, contract: Contract, id_column: str | None) -> None:
        if path.suffix.lower() not in _SEPARATORS:
            raise DataError(sanitize(str(path)), "no .csv or .tsv", "a .csv or .tsv file")
        table = _Table(path)
        require_columns(contract.columns, dict.fromkeys(table.names, ()))
        self.ids = table.ids(id_column)
        self._bad = dict(table.bad)
        columns = {column.name: table.column(column.name) for column in contract.columns}
        self._x, no_numbers = encode_columns(contract.columns, columns)
        for row, name in no_numbers.items():
            self._bad.setdefault(row, f"{sanitize(name)} is no number")
        self.digest = _digest([id_column or "", sha256(path)])

    def read(self, start: int, stop: int) -> tuple[Batch, NDArray[np.int64], dict[int, Failure]]:
        rows = _places(r for r in range(start, min(stop, len(self))) if r not in self._bad)
        return self._x[rows], rows, _failed(self._bad, self.ids, start, stop)


class _Table:
    """A .csv or .tsv in memory, and the rows of it that are broken."""

    def __init__(self, path: Path) -> None:
        self._where = where = sanitize(str(path))
        separator = _SEPARATORS[path.suffix.lower()]
        self.rows: list[list[str]] = []
        self.bad: dict[int, str] = {}
        try:
            # What is no UTF-8 stays recognisable, so that one bad row is one failure.
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
                self.names = [name.strip() for name in next(reader, [])]
                for fields in reader:
                    if fields:
                        self._add(fields)
        except csv.Error as error:
            given = f"line {reader.line_num}: {error}"
            raise DataError(where, given, "a table in UTF-8 with a header") from error
        except OSError as error:
            raise DataError(
                where, f"cannot be read ({type(error).__name__})", "a file that can be read"
            ) from error
        if not self.rows or len(set(self.names)) != len(self.names):
            given = "no row" if not self.rows else "two columns of one name"
            raise DataError(where, given, "a header of different names, and at least one row")

    def _add(self, fields: list[str]) -> None:
        row, width = len(self.rows), len(self.names)
        if len(fields) != width:
            self.bad[row] = f"{len(fields)} fields, and the header has {width}"
            fields = [""] * width
        elif not all(map(_is_unicode, fields)):
            self.bad[row] = "not UTF-8"
            fields = [field if _is_unicode(field) else "" for field in fields]
        self.rows.append(fields)

    def column(self, name: str) -> list[str]:
        if name not in self.names:
            listed = ", ".join(map(sanitize, self.names[:30]))
            near = suggestion(name, self.names)
            given = f"no column {sanitize(name)!r}"
            raise DataError(self._where, given, f"one of {listed}", near)
        place = self.names.index(name)
        return [row[place] for row in self.rows]

    def ids(self, name: str | None) -> list[str]:
        if name is None:
            return _numbers(len(self.rows))
        numbered = zip(self.column(name), _numbers(len(self.rows)), strict=True)
        return [given or f"row {number}" for given, number in numbered]


def _pictures(path: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each picture, sorted in a folder, in the list's order from a list."""
    if path.is_dir():
        found = (
            Path(folder, name)
            for folder, _, names in os.walk(path)
            for name in names
            if name.lower().endswith(SUFFIXES)
        )
        named = ((_plain(file.relative_to(path).as_posix()), file) for file in found)
        yield from sorted(named)
    elif path.suffix.lower() in SUFFIXES:
        yield _plain(path.name), path
    else:
        for line in _lines(path):
            if line.strip():
                yield _plain(line.strip()), path.parent / line.strip()


def _lines(path: Path) -> list[str]:
    """Only a line feed ends a line: texts hold Unicode's other separators."""
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    except OSError as error:
        given = f"cannot be read ({type(error).__name__})"
        raise DataError(sanitize(str(path)), given, "a file that can be read") from error
    if "\0" in text or not text.strip():
        given = "empty" if not text.strip() else "no text"
        raise DataError(sanitize(str(path)), given, "a text file in UTF-8, one record a line")
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _why(file: Path) -> str:
    if not file.exists():
        return "no such file"
    if not file.is_file():
        return "not an ordinary file"
    return "not a picture that can be read: broken, too large, or of another format"


def _state(file: Path) -> str:
    """What changes when somebody replaces a file."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return "absent"
    return f"{found.st_size} {found.st_mtime_ns}" if stat.S_ISREG(found.st_mode) else "no file"


def _failed(bad: dict[int, str], ids: Sequence[str], start: int, stop: int) -> dict[int, Failure]:
    rows = range(start, min(stop, len(ids)))
    return {row: Failure(id=ids[row], reason=bad[row]) for row in rows if row in bad}


def _places(rows: Iterable[int]) -> NDArray[np.int64]:
    return np.array(list(rows), dtype=np.int64)


def _numbers(count: int) -> list[str]:
    return [str(number) for number in range(1, count + 1)]


def _plain(name: str) -> str:
    """A file's name as Unicode, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _digest(lines: Iterable[str]) -> str:
    found = hashlib.sha256()
    for line in lines:
        found.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return found.hexdigest()
