"""The DIAL reader: labels, people, the published split, and files not as published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tiprdc.datasets import dial
from tiprdc.datasets.dial import FILES, DialConfig, dial_reader
from tiprdc.datasets.schema import Attribute
from tiprdc.errors import ConfigError, DataError

WORDS = ["so", "happy", "today", "ain't", "not", "caf\u00e9", "_TWITTER-ENTITY_", "\u2028"]
LINES = {
    "pos_pos": ["0 1 2", "3 4"],
    "pos_neg": ["0 1 5", "0 1  2 "],
    "neg_pos": ["4 1", "0 6 7 1"],
    "neg_neg": ["4 0 1", "4 1 2"],
}


def write_layout(folder: Path, *, numbers: bool = True) -> DialConfig:
    """Eight tweets, as the published preprocessing writes them: of numbers, or as words."""
    for file, lines in LINES.items():
        texts = [" ".join(WORDS[int(n)] for n in line.split()) for line in lines]
        (folder / file).write_text("\n".join(lines if numbers else texts) + "\n", encoding="utf-8")
    if numbers:
        (folder / "vocab").write_text("\n".join(WORDS), encoding="utf-8")
    (folder / "README.md").write_text("where it came from\n")
    return DialConfig(root=str(folder), length=24, vocabulary=300)


def error_message(config: DialConfig) -> str:
    with pytest.raises(DataError) as error:
        dial_reader(config).index()
    assert "expected: " in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("numbers", [True, False])
def test_four_files_give_labels_and_tokens(tmp_path: Path, numbers: bool) -> None:
    reader = dial_reader(write_layout(tmp_path, numbers=numbers))
    index = reader.index()
    assert index.attributes == (
        Attribute(name="race", classes=("African-American", "white")),
        Attribute(name="mention", classes=("no", "yes")),
    )
    records = index.records
    assert records["race"].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert records["mention"].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert records["record"].tolist()[:3] == ["pos_pos line 1", "pos_pos line 2", "pos_neg line 1"]
    assert records["x:record"].tolist()[:3] == ["so happy today", "ain't not", "so happy caf\u00e9"]
    assert records["x:record"].tolist()[5] == "so _TWITTER-ENTITY_ \u2028 happy"
    assert "split" not in records
    batch = reader.read(records, reader.fit(records))
    assert batch.x.shape == (8, 24)
    assert batch.readable.all()
    assert (batch.x[0] == batch.x[3]).all()
    assert (batch.x[0] != batch.x[1]).any()


def test_task_may_be_the_sentiment(tmp_path: Path) -> None:
    config = replace(write_layout(tmp_path), task="sentiment", utility=("sentiment",))
    index = dial_reader(config).index()
    assert index.attributes[1] == Attribute(name="sentiment", classes=("negative", "positive"))
    assert index.records["sentiment"].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def test_copies_of_a_text_are_one_person(tmp_path: Path) -> None:
    config = write_layout(tmp_path, numbers=False)
    (tmp_path / "neg_neg").write_text("SO  happy today\ncafe\u0301\n", encoding="utf-8")
    (tmp_path / "neg_pos").write_text("caf\u00e9\nso happy\n", encoding="utf-8")
    index = dial_reader(config).index()
    person = dict(zip(index.records["record"], index.records["person"], strict=True))
    assert person["pos_pos line 1"] == person["pos_neg line 2"] == person["neg_neg line 1"]
    assert person["neg_neg line 2"] == person["neg_pos line 1"]
    assert len(set(person.values())) == 5
    assert index.notes == ("No person column: a text is a person, and so are its copies.",)
    assert not [name for name in person.values() if "happy" in name]


def test_empty_texts_are_unreadable_and_different_people(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    (tmp_path / "pos_neg").write_text("\n  \n0 1\n")
    reader = dial_reader(config)
    records = reader.index().records
    batch = reader.read(records, reader.fit(records))
    names = records["record"][~batch.readable]
    assert names.tolist() == ["pos_neg line 1", "pos_neg line 2"]
    assert records["person"][names.index].nunique() == 2


def test_words_outside_extractor_train_are_encoded(tmp_path: Path) -> None:
    reader = dial_reader(write_layout(tmp_path))
    records = reader.index().records
    fitted = reader.fit(records.iloc[:1])
    batch = reader.read(records, fitted)
    assert batch.readable.all()
    assert batch.x.max() < fitted.vocabulary_size


def test_published_split_is_used_without_copies_across_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "_TRAIN", 3)
    monkeypatch.setattr(dial, "_TOTAL", 5)
    config = replace(write_layout(tmp_path, numbers=False), split=True)
    for file in FILES:
        (tmp_path / file).write_text("".join(f"{file} says {n}\n" for n in range(7)))
    # A test text that stands in the training set of another class.
    (tmp_path / "neg_neg").write_text("a\nb\nc\npos_pos says 0\nd\ne\n")
    index = dial_reader(config).index()
    assert index.records["split"].value_counts().to_dict() == {"train": 12, "test": 7}
    by_person = index.records.groupby("person")["split"].nunique()
    assert (by_person == 1).all()
    assert index.notes[1:] == (
        "7 lines after line 5 of their files are left out.",
        "1 test texts that stand in train too are left out.",
    )


def test_too_few_lines_for_the_published_split_are_refused(tmp_path: Path) -> None:
    message = error_message(replace(write_layout(tmp_path), split=True))
    assert message.startswith("prepare.dial.split: pos_pos has 2 lines")
    assert "more than 41,500 lines" in message
    assert "set prepare.dial.split to false" in message


@pytest.mark.parametrize("line", ["0 8", "0 -1", "0 one", "0 \u00b2", "so happy"])
def test_invalid_word_numbers_are_refused(tmp_path: Path, line: str) -> None:
    config = write_layout(tmp_path)
    (tmp_path / "neg_pos").write_text(f"0 1\n{line}\n", encoding="utf-8")
    message = error_message(config)
    assert "neg_pos, line 2, is not a line of word numbers of vocab" in message
    assert "numbers from 0 to 7" in message
    assert "if the lines are texts, delete vocab" in message
    assert line not in message


def test_word_numbers_without_vocabulary_are_refused(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    (tmp_path / "vocab").unlink()
    assert "pos_pos consists of word numbers, and there is no file vocab" in error_message(config)


@pytest.mark.parametrize("file", [*FILES, "vocab"])
def test_other_encoding_and_empty_file_are_refused(tmp_path: Path, file: str) -> None:
    config = write_layout(tmp_path)
    (tmp_path / file).write_bytes(b"caf\xe9\n")
    message = error_message(config)
    assert f"{file}, line 1, is not UTF-8" in message
    assert "iconv -f cp1252 -t utf-8" in message
    (tmp_path / file).write_bytes(b"\n \n")
    assert f"{file} is empty" in error_message(config)


@pytest.mark.parametrize("file", FILES)
def test_absent_file_is_named(tmp_path: Path, file: str) -> None:
    config = write_layout(tmp_path)
    (tmp_path / file).rename(tmp_path / f"{file}.txt")
    message = error_message(config)
    assert f"prepare.dial.root: {tmp_path / file} does not exist" in message
    assert "did you mean" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"private": ()}, "prepare.dial.private: empty"),
        ({"private": ("rase",)}, "did you mean 'race'"),
        ({"utility": ("sentiment",)}, "set prepare.dial.task to sentiment"),
        ({"utility": ("age",)}, "one of race, mention"),
        ({"length": 1}, "prepare.dial.length: 1"),
        ({"vocabulary": 10}, "prepare.dial.vocabulary: 10"),
    ],
)
def test_invalid_settings_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        DialConfig(**change)
    assert words in str(error.value)
