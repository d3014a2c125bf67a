"""Settings of the user's own data set: the file, how it is written, and which column is what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from tiprdc.datasets.reader import RESERVED
from tiprdc.datasets.tables.dialect import Decimals, Dialect, QuoteRule, check_dialect
from tiprdc.errors import ConfigError, suggestion
from tiprdc.settings import Settings

UTILITY = "Attributes that stand for unknown tasks; one that is also private counts as private."
"""Description of `utility` in the settings of a published data set."""


class ManifestConfig(Settings, frozen=True, kw_only=True):
    """Your own data set (`prepare.manifest`)."""

    params_key: ClassVar[str] = "prepare.manifest"

    path: Annotated[
        str,
        Meta(description="CSV or TSV (also .gz, .xz), Parquet or .npz file, one row a record."),
    ] = "data/example/manifest.csv"
    encoding: Annotated[
        str, Meta(description="Encoding of a text file: utf-8, utf-16, cp1252 or another.")
    ] = "utf-8"
    delimiter: Annotated[
        str | None,
        Meta(
            description="What separates fields: one letter such as ; or |, or tab; null: a comma "
            "in .csv, a tabulator in .tsv.",
        ),
    ] = None
    decimal: Annotated[
        Decimals, Meta(description="What separates the decimals of a table's numbers.")
    ] = "."
    quotes: Annotated[
        QuoteRule,
        Meta(
            description="Quotation marks. enclose: around fields, which may have line breaks. "
            "literal: letters like others, and each line is a row. auto: enclose, but a file in "
            "which they would swallow rows is refused.",
        ),
    ] = "auto"
    root: Annotated[
        str, Meta(description="Folder that paths of files are relative to; DVC watches it.")
    ] = "data/example"
    modality: Annotated[
        Literal["auto", "image", "table", "text", "audio"],
        Meta(description="Kind of record; auto: detected from the column x."),
    ] = "auto"
    x: Annotated[
        tuple[str, ...],
        Meta(
            description="Column of paths of pictures or recordings, or column of texts, or the "
            "input columns of a table; empty: a table of all columns without another role.",
        ),
    ] = ("image",)
    categorical: Annotated[
        tuple[str, ...],
        Meta(
            description="Input columns of a table whose values are categories even if they look "
            "like numbers, such as postcodes.",
        ),
    ] = ()
    private: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="Columns to hide, 2 to 50 classes each."),
    ] = ("skin_tone",)
    utility: Annotated[
        tuple[str, ...],
        Meta(
            description="Columns that stand for unknown tasks, 2 to 50 classes each; one that is "
            "also private counts as private.",
        ),
    ] = ("glasses", "facial_hair")
    person: Annotated[
        str | None,
        Meta(
            description="Column that identifies the person of a record; null: each record is a "
            "person of its own.",
        ),
    ] = None
    split: Annotated[
        str | None,
        Meta(description="Column with the source's own splits; null: people divided at random."),
    ] = "split"
    size: Annotated[
        int,
        Meta(
            ge=8, le=512,
            description="Height and width in pixels; pictures are stretched to it.",
        ),
    ] = 32  # fmt: skip
    background: Annotated[
        Literal["white", "grey", "black"],
        Meta(
            description="Colour that transparent pixels of pictures are shown on; a release states "
            "it, so that devices do the same.",
        ),
    ] = "white"
    rate: Annotated[
        int,
        Meta(
            ge=8000, le=48_000,
            description="Samples a second; recordings are resampled to it, on devices too.",
        ),
    ] = 16_000  # fmt: skip
    duration: Annotated[
        float,
        Meta(
            ge=0.2, le=10,
            description="Seconds of a recording that are used, from its start; shorter ones have "
            "silence behind them.",
        ),
    ] = 2.0  # fmt: skip
    length: Annotated[
        int, Meta(ge=4, le=4096, description="Tokens of a text; texts are cut or padded to it.")
    ] = 128
    vocabulary: Annotated[
        int, Meta(ge=300, le=100_000, description="Largest number of token ids.")
    ] = 8000
    tokenizer: Annotated[
        str | None,
        Meta(
            description="tokenizer.json of the text encoder in train.encoder; null: one is trained "
            "on the texts. In the folder root DVC watches it.",
        ),
    ] = None

    def _check(self) -> None:
        where = "prepare.manifest"
        check_labels(where, self.private, self.utility)
        _refuse_duplicates(f"{where}.x", self.x)
        for name in self.x:
            if name in (*self.labels, self.person, self.split):
                raise ConfigError(
                    f"{where}.x", f"{name!r}, which is also an attribute, the person or the split",
                    "columns with no other part", f"leave {name!r} out of x",
                )  # fmt: skip
        if self.modality in ("image", "text", "audio") and len(self.x) != 1:
            raise ConfigError(f"{where}.x", list(self.x), f"one column for {self.modality}")
        check_dialect(self.dialect, f"{where}.")
        for name in self.categorical:
            if self.x and name not in self.x:
                raise ConfigError(
                    f"{where}.categorical", f"{name!r}, which is not an input", "columns of x",
                    suggestion(name, self.x),
                )  # fmt: skip

    @property
    def labels(self) -> tuple[str, ...]:
        """All attribute columns, each once."""
        return tuple(dict.fromkeys((*self.private, *self.utility)))

    @property
    def dialect(self) -> Dialect:
        """How the file is written, if it is a text file."""
        return Dialect(
            delimiter=self.delimiter, encoding=self.encoding, decimal=self.decimal,
            quotes=self.quotes,
        )  # fmt: skip


def check_labels(where: str, private: Sequence[str], utility: Sequence[str]) -> None:
    """Check the attributes that a data set's section names.

    Args:
        where: The section, for messages.
        private: Attributes to hide.
        utility: Attributes that stand for unseen tasks.

    Raises:
        ConfigError: A list names one twice, or a name is reserved.
    """
    for key, names in (("private", private), ("utility", utility)):
        _refuse_duplicates(f"{where}.{key}", names)
        for name in names:
            if name in RESERVED:
                raise ConfigError(
                    f"{where}.{key}", f"the attribute name {name!r} is reserved",
                    f"any name but {', '.join(RESERVED)}", "rename the column",
                )  # fmt: skip


def _refuse_duplicates(where: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(where, f"{name!r} twice", "each name once")
