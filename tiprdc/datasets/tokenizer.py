"""Turns text into token ids: a byte-level BPE, trained on extractor-train and part of the release.

The vocabulary is public once it is released, and a word that only one person uses would reveal
that this person is in the training data. So each person counts once for each word, and words of
fewer than `MIN_PEOPLE` people are ignored. Any text can still be encoded, byte by byte if needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from tiprdc.errors import DataError

MIN_PEOPLE = 3
"""Number of people who must use a word before it can shape the vocabulary."""
PADDING = "[PAD]"
"""Token 0."""


def train_tokenizer(
    texts: Iterable[str], person: Iterable[str], *, vocabulary: int, length: int
) -> str:
    """Train a tokenizer that pads and cuts to `length` tokens.

    Args:
        texts: One text a record.
        person: Author of each text.
        vocabulary: Number of token ids, at least 300: 256 bytes, padding and some words.
        length: Tokens a text.

    Returns:
        The tokenizer's JSON.
    """
    # With a space in front, the first word of a text is the same token as elsewhere in a text.
    normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Lowercase(), normalizers.Strip(), normalizers.Prepend(" ")]
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PADDING],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    people = _people_by_word(map(normalizer.normalize_str, texts), person, tokenizer.pre_tokenizer)
    tokenizer.train_from_iterator(_repeat_words(people), trainer)
    tokenizer.normalizer = normalizer
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, pad_id=0, pad_token=PADDING)
    return str(tokenizer.to_str(pretty=True))


def vocabulary_size(tokenizer: str) -> int:
    """Largest token id of a tokenizer, given as JSON, and one: some leave ids out."""
    return max(Tokenizer.from_str(tokenizer).get_vocab().values()) + 1


def set_length(tokenizer: str, length: int | None, where: str) -> str:
    """Make a tokenizer pad and cut to a length.

    Args:
        tokenizer: JSON of any tokenizer of the library `tokenizers`.
        length: Tokens a text; None keeps the length that the tokenizer pads to.
        where: Name of the file, for messages.

    Returns:
        The tokenizer's JSON.

    Raises:
        DataError: It is not a tokenizer, or `length` is None and it does not pad to a length.
    """
    try:
        parsed = Tokenizer.from_str(tokenizer)
    except Exception as error:  # the library raises nothing narrower
        raise DataError(
            where, f"not a tokenizer ({type(error).__name__})", "a tokenizer.json"
        ) from None
    if length is None and not (parsed.padding and parsed.padding.get("length")):
        raise DataError(
            where,
            "the tokenizer does not pad to a fixed length, and the model takes any",
            "a tokenizer that pads, or a model of fixed length",
            "give the number of tokens of a text, e.g. --length 128",
        )
    if length is not None:
        padding = _usual_padding(parsed) | (parsed.padding or {})
        options = ("pad_id", "pad_token", "pad_type_id", "direction")
        parsed.enable_truncation(length)
        parsed.enable_padding(length=length, **{k: padding[k] for k in options if k in padding})
    return str(parsed.to_str())


def padding(tokenizer: str) -> tuple[int, bool]:
    """The padding token's id, and whether it stands before a text, of a tokenizer that pads."""
    stated = Tokenizer.from_str(tokenizer).padding or {}
    return int(stated.get("pad_id", 0)), stated.get("direction") == "left"


def _usual_padding(tokenizer: Tokenizer) -> dict[str, Any]:
    """Padding token of a tokenizer that states none."""
    for name in (PADDING, "<pad>", "<|pad|>", "<PAD>"):
        number = tokenizer.token_to_id(name)
        if number is not None:
            return {"pad_id": number, "pad_token": name}
    return {"pad_id": 0, "pad_token": PADDING}


def encode(tokenizer: str, texts: Sequence[str]) -> NDArray[np.int32]:
    """Token ids `[B, T]` of these texts, padding after the end of a text."""
    return encode_texts(tokenizer, texts)[0]


def encode_texts(
    tokenizer: str, texts: Sequence[str]
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Token ids `[B, T]` of these texts, and whether each has a token that is not special `[B]`."""
    encodings = Tokenizer.from_str(tokenizer).encode_batch(list(texts))
    ids = np.array([encoding.ids for encoding in encodings], dtype=np.int32)
    readable = [0 in encoding.special_tokens_mask for encoding in encodings]
    return ids, np.array(readable, dtype=bool)


def _people_by_word(
    texts: Iterable[str], person: Iterable[str], splitter: pre_tokenizers.PreTokenizer
) -> dict[str, int]:
    """Word -> number of people who use it; a word includes the space before it."""
    vocabularies: dict[str, set[str]] = {}
    for text, author in zip(texts, person, strict=True):
        spans = (span for _, span in splitter.pre_tokenize_str(text))
        vocabularies.setdefault(author, set()).update(text[start:stop] for start, stop in spans)
    counts = Counter(word for words in vocabularies.values() for word in words)
    return {word: people for word, people in counts.items() if people >= MIN_PEOPLE}


def _repeat_words(people: dict[str, int]) -> Iterator[str]:
    """Each word once for each of its people; sorted, so that ties break the same way."""
    for word in sorted(people):
        yield from repeat(word, people[word])
