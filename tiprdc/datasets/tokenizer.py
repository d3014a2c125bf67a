"""Text as token ids: a byte-level BPE trained on extractor-train, which ships with the release.

A tokenizer's vocabulary is public once it ships, and a word that one person alone uses would say
that this person was there. So each person counts once for each word, and words of fewer than
`FEWEST_PEOPLE` people decide nothing. Any text can still be written, byte by byte if need be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from tiprdc.errors import DataError

FEWEST_PEOPLE = 3
"""People who must use a word before it counts for the vocabulary."""
PADDING = "[PAD]"
"""Token 0."""


def train_tokenizer(
    texts: Iterable[str], person: Iterable[str], *, vocabulary: int, length: int
) -> str:
    """Train on these texts and return the tokenizer's JSON; it pads and cuts to `length` tokens.

    Args:
        texts: One text a record.
        person: Who wrote each.
        vocabulary: Number of token ids wanted, at least 300: 256 bytes, padding and some words.
        length: Tokens a text.
    """
    # The space in front makes the first word of a text the same token as anywhere else.
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
    words = _people_of_words(map(normalizer.normalize_str, texts), person, tokenizer.pre_tokenizer)
    tokenizer.train_from_iterator(_repeated(words), trainer)
    tokenizer.normalizer = normalizer
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, pad_id=0, pad_token=PADDING)
    return str(tokenizer.to_str(pretty=True))


def vocabulary_size(tokenizer: str) -> int:
    """Number of token ids of a tokenizer's JSON."""
    return int(Tokenizer.from_str(tokenizer).get_vocab_size())


def cut_to(tokenizer: str, length: int | None, where: str) -> str:
    """A tokenizer's JSON that pads and cuts to `length` tokens; None leaves what it does itself.

    Args:
        tokenizer: JSON of any tokenizer of the library `tokenizers`.
        length: Tokens a text.
        where: Names the file in messages.

    Raises:
        DataError: It is no tokenizer, or neither it nor the caller says a length.
    """
    try:
        found = Tokenizer.from_str(tokenizer)
    except Exception as error:  # the library raises nothing narrower
        raise DataError(
            where, f"no tokenizer ({type(error).__name__})", "a tokenizer.json"
        ) from None
    if length is None and not (found.padding and found.padding.get("length")):
        raise DataError(where, "it pads to no length", "one that pads, or a model of fixed length")
    if length is not None:
        padding = {"pad_id": 0, "pad_token": PADDING} | (found.padding or {})
        known = ("pad_id", "pad_token", "pad_type_id", "direction")
        found.enable_truncation(length)
        found.enable_padding(length=length, **{k: padding[k] for k in known if k in padding})
    return str(found.to_str())


def encode(tokenizer: str, texts: Sequence[str]) -> NDArray[np.int32]:
    """Token ids `[B, T]` of these texts, 0 where a text has ended."""
    encodings = Tokenizer.from_str(tokenizer).encode_batch(list(texts))
    return np.array([encoding.ids for encoding in encodings], dtype=np.int32)


def _people_of_words(
    texts: Iterable[str], person: Iterable[str], cut: pre_tokenizers.PreTokenizer
) -> dict[str, int]:
    """Word -> number of people who use it; a word keeps the space before it."""
    vocabularies: dict[str, set[str]] = {}
    for text, who in zip(texts, person, strict=True):
        spans = (span for _, span in cut.pre_tokenize_str(text))
        vocabularies.setdefault(who, set()).update(text[start:stop] for start, stop in spans)
    counts = Counter(word for words in vocabularies.values() for word in words)
    return {word: people for word, people in counts.items() if people >= FEWEST_PEOPLE}


def _repeated(words: dict[str, int]) -> Iterator[str]:
    """Each word as often as it has people, sorted, so that ties always fall alike."""
    for word in sorted(words):
        yield from repeat(word, words[word])
