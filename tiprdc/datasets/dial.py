"""Reads DIAL as published: tweets in four files by task and by predicted race, one tweet a line.

    root/pos_pos  root/pos_neg  root/neg_pos  root/neg_neg
    root/vocab    optional: one word a line

The first word of a file's name is the class of the task: `mention` (pos: the tweet names another
user) or `sentiment` (pos: happy emojis). The second is the class of `race`, predicted from the
words: pos is African-American, neg is white. With a `vocab` file a line consists of word numbers,
counted from 0, as the published preprocessing writes it; without one, of words.

Word numbers are turned back into words: the published vocabulary was made from all tweets,
including the attacker's; ours comes from extractor-train alone (`tiprdc.datasets.tokenizer`).

The files do not name authors, so a text counts as a person: its copies are never in two splits.

Sources: S. L. Blodgett, L. Green and B. O'Connor, Demographic Dialectal Variation in Social Media,
EMNLP 2016; Y. Elazar and Y. Goldberg, Adversarial Removal of Demographic Attributes from Text
Data, EMNLP 2018, whose preprocessing writes these files.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pandas as pd
from msgspec import Meta

from tiprdc.datasets.manifest.config import UTILITY, ManifestConfig, check_labels
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.datasets.tables.files import Source, read_lines
from tiprdc.errors import ConfigError, DataError, suggestion
from tiprdc.settings import Settings

FILES = ("pos_pos", "pos_neg", "neg_pos", "neg_neg")
_VOCABULARY = "vocab"
_CLASSES = {
    "mention": {"pos": "yes", "neg": "no"},
    "sentiment": {"pos": "positive", "neg": "negative"},
    "race": {"pos": "African-American", "neg": "white"},
}
_TRAIN, _TOTAL = 41_500, 44_000
"""Lines of each file in the published training set, and in training and test set together."""


class DialConfig(Settings, frozen=True, kw_only=True):
    """DIAL, tweets by the author's dialect (`prepare.dial`)."""

    params_key: ClassVar[str] = "prepare.dial"

    root: Annotated[
        str,
        Meta(description="Folder that holds the four files and, if they hold numbers, vocab."),
    ] = "data/dial"
    task: Annotated[
        Literal["mention", "sentiment"],
        Meta(description="The label in the first word of the files' names."),
    ] = "mention"
    private: Annotated[
        tuple[str, ...], Meta(min_length=1, description="Attributes to hide: race or the task.")
    ] = ("race",)
    utility: Annotated[tuple[str, ...], Meta(description=UTILITY)] = ("mention",)
    split: Annotated[
        bool,
        Meta(
            description="Whether to use the published split: lines 1 to 41,500 of each file are "
            "train, the next 2,500 test, and the rest is left out. The sentiment files are in the "
            "order of the emojis, so their last lines differ from the first. false: all texts are "
            "divided at random.",
        ),
    ] = False
    length: Annotated[
        int, Meta(ge=4, le=4096, description="Tokens of a text; texts are cut or padded to it.")
    ] = 48
    vocabulary: Annotated[
        int, Meta(ge=300, le=100_000, description="Largest number of token ids.")
    ] = 8000

    def _check(self) -> None:
        check_labels("prepare.dial", self.private, self.utility)
        allowed = ("race", self.task)
        for key in ("private", "utility"):
            for name in getattr(self, key):
                if name not in allowed:
                    other = name in _CLASSES
                    raise ConfigError(
                        f"prepare.dial.{key}", name, f"one of {', '.join(allowed)}",
                        f"set prepare.dial.task to {name}" if other else suggestion(name, allowed),
                    )  # fmt: skip


def dial_reader(config: DialConfig) -> ManifestReader:
    """Reader of DIAL: a manifest of texts whose labels are the names of the files."""
    root = Path(config.root).resolve()
    manifest = ManifestConfig(
        path=str(root / FILES[0]),
        root=str(root),
        modality="text",
        x=("record",),
        private=config.private,
        utility=config.utility,
        person="person",
        split="split" if config.split else None,
        length=config.length,
        vocabulary=config.vocabulary,
    )
    return ManifestReader(manifest, "prepare.dial", partial(read_dial, root, config))


def read_dial(root: Path, config: DialConfig) -> Source:
    """Read one row for each line of the four files.

    Args:
        root: The folder of the files.
        config: The task, and whether the published split is used.

    Returns:
        Columns `record`, `person`, `split` if it is used, race and the task.

    Raises:
        DataError: A file is absent, has too few lines, or has word numbers without a word.
    """
    where = "prepare.dial.root"
    has_vocabulary = (root / _VOCABULARY).exists()
    words = read_lines(root / _VOCABULARY, where) if has_vocabulary else []
    tables = []
    excess = 0
    for file in FILES:
        lines = read_lines(root / file, where)
        if not words:
            _refuse_numbers(lines, file)
        texts = _decode(lines, words, file) if words else lines
        first, second = file.split("_")
        labels = {config.task: _CLASSES[config.task][first], "race": _CLASSES["race"][second]}
        rows = pd.DataFrame({"record": texts, **labels}, dtype=str)
        rows.index = pd.Index([f"{file} line {number + 1}" for number in range(len(texts))])
        if config.split:
            _refuse_few_lines(texts, file)
            rows["split"] = ["train"] * _TRAIN + ["test"] * (len(texts) - _TRAIN)
            excess += max(0, len(rows) - _TOTAL)
            rows = rows.head(_TOTAL)
        tables.append(rows)
    table = pd.concat(tables)
    people = [_person(text, name) for text, name in zip(table["record"], table.index, strict=True)]
    table["person"] = people
    notes = ["No person column: a text is a person, and so are its copies."]
    if config.split:
        notes.append(f"{excess:,} lines after line {_TOTAL:,} of their files are left out.")
        train = set(table["person"][table["split"] == "train"])
        copies = (table["split"] == "test") & table["person"].isin(train)
        table = table[~copies]
        notes.append(f"{int(copies.sum()):,} test texts that stand in train too are left out.")
    return Source(table=table, notes=tuple(notes))


def _decode(lines: Sequence[str], words: Sequence[str], file: str) -> list[str]:
    """Texts of lines of word numbers."""
    texts = []
    for number, line in enumerate(lines, start=1):
        ids = line.split()
        numeric = all(id_.isdecimal() and len(id_) < 10 for id_ in ids)
        if not numeric or any(int(id_) >= len(words) for id_ in ids):
            raise DataError(
                "prepare.dial.root",
                f"{file}, line {number:,}, is not a line of word numbers of {_VOCABULARY}",
                f"numbers from 0 to {len(words) - 1:,}, separated by spaces",
                f"copy {file} and {_VOCABULARY} from the same run of the preprocessing; if the "
                f"lines are texts, delete {_VOCABULARY}",
            )
        texts.append(" ".join(words[int(id_)] for id_ in ids))
    return texts


def _refuse_numbers(lines: Sequence[str], file: str) -> None:
    """Refuse lines of which more than half are word numbers."""
    numbers = sum(line.replace(" ", "").isdecimal() for line in lines)
    if 2 * numbers > len(lines):
        raise DataError(
            "prepare.dial.root",
            f"{file} consists of word numbers, and there is no file {_VOCABULARY} with the words",
            f"a file {_VOCABULARY}, one word a line, or lines of words",
            f"copy {_VOCABULARY} from the folder that the preprocessing wrote",
        )


def _refuse_few_lines(texts: Sequence[str], file: str) -> None:
    if len(texts) <= _TRAIN:
        raise DataError(
            "prepare.dial.split",
            f"{file} has {len(texts):,} lines",
            f"more than {_TRAIN:,} lines of each file for the published split",
            "set prepare.dial.split to false to divide the texts at random",
        )


def _person(text: str, name: str) -> str:
    """An id that texts of the same tokens share; each empty line has its own."""
    normalized = " ".join(unicodedata.normalize("NFC", text).lower().split()) or name
    return hashlib.sha256(normalized.encode()).hexdigest()[:16]
