"""DIAL: tweets by the author's dialect, in four files of equal standing, one tweet a line.

    root/pos_pos  root/pos_neg  root/neg_pos  root/neg_neg
    root/vocab    optional: one word a line

The first word of a file's name is the task, `mention` (pos: the tweet named another user) or
`sentiment` (pos: happy emojis); the second is `race`, predicted from the words: pos is
African-American, neg is white. With a `vocab` a line holds the numbers of its words, counted from
0, as the published preprocessing writes it; without one it holds the words themselves.

Numbers become words again: the published vocabulary was made from all tweets, the attacker's
among them, and ours is made from those of extractor-train alone (`tiprdc.datasets.tokenizer`).

The files do not say who wrote what, so a text is a person: copies of it are never in two splits.

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

from tiprdc.datasets.manifest import UTILITY, ManifestConfig, ManifestReader, check_labels
from tiprdc.datasets.table_files import Source, read_lines
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
"""Lines of each file in the published training set, and in both sets."""


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
    """The four files are a manifest of texts whose labels are the files' names."""
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
    """One row for each line of the four files.

    Args:
        root: The folder.
        config: Which task, and which lines.

    Returns:
        Columns `record`, `person`, `split` if it counts, race and the task.

    Raises:
        DataError: A file is not there, has too few lines, or holds numbers of no words.
    """
    where = "prepare.dial.root"
    has_words = (root / _VOCABULARY).exists()
    words = read_lines(root / _VOCABULARY, where) if has_words else []
    parts = []
    left_out = 0
    for file in FILES:
        lines = read_lines(root / file, where)
        texts = _decode(lines, words, file) if words else _refuse_numbers(lines, file)
        first, second = file.split("_")
        labels = {config.task: _CLASSES[config.task][first], "race": _CLASSES["race"][second]}
        part = pd.DataFrame({"record": texts, **labels}, dtype=str)
        part.index = pd.Index([f"{file} line {number + 1}" for number in range(len(texts))])
        if config.split:
            _refuse_few_lines(texts, file)
            part["split"] = ["train"] * _TRAIN + ["test"] * (len(texts) - _TRAIN)
            left_out += max(0, len(part) - _TOTAL)
            part = part.head(_TOTAL)
        parts.append(part)
    table = pd.concat(parts)
    names = [_person(text, name) for text, name in zip(table["record"], table.index, strict=True)]
    table["person"] = names
    notes = ["No person column: a text is a person, and so are its copies."]
    if config.split:
        notes.append(f"{left_out:,} lines after line {_TOTAL:,} of their files are left out.")
        train = set(table["person"][table["split"] == "train"])
        copies = (table["split"] == "test") & table["person"].isin(train)
        table = table[~copies]
        notes.append(f"{int(copies.sum()):,} test texts that stand in train too are left out.")
    return Source(table=table, notes=tuple(notes))


def _decode(lines: Sequence[str], words: Sequence[str], file: str) -> list[str]:
    """Lines of numbers as texts."""
    texts = []
    for number, line in enumerate(lines, start=1):
        ids = line.split()
        known = all(one.isdecimal() and len(one) < 10 for one in ids)
        if not known or any(int(one) >= len(words) for one in ids):
            raise DataError(
                "prepare.dial.root",
                f"{file}, line {number:,}, does not hold numbers of words of {_VOCABULARY} alone",
                f"numbers from 0 to {len(words) - 1:,}, with spaces between them",
                f"copy {file} and {_VOCABULARY} from the same run of the preprocessing; if the "
                f"lines are texts, delete {_VOCABULARY}",
            )
        texts.append(" ".join(words[int(one)] for one in ids))
    return texts


def _refuse_numbers(lines: Sequence[str], file: str) -> list[str]:
    """The lines, unless most of them are numbers of words that nobody knows."""
    numbers = sum(line.replace(" ", "").isdecimal() for line in lines)
    if 2 * numbers > len(lines):
        raise DataError(
            "prepare.dial.root",
            f"{file} holds numbers, and there is no {_VOCABULARY} that says of which words",
            f"a file {_VOCABULARY}, one word a line, or lines of words",
            f"copy {_VOCABULARY} from the folder that the preprocessing wrote",
        )
    return list(lines)


def _refuse_few_lines(texts: Sequence[str], file: str) -> None:
    if len(texts) <= _TRAIN:
        raise DataError(
            "prepare.dial.split",
            f"{file} has {len(texts):,} lines",
            f"more than {_TRAIN:,} lines of each file for the published split",
            "set prepare.dial.split to false to divide at random",
        )


def _person(text: str, name: str) -> str:
    """The same for all texts that become the same tokens; an empty line is its own."""
    same = " ".join(unicodedata.normalize("NFC", text).lower().split()) or name
    return hashlib.sha256(same.encode()).hexdigest()[:16]
