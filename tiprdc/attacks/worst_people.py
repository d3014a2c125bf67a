"""The people who are recognised best: an average hides a minority that is fully exposed.

The attacker says of whom it is most sure, without looking at labels. So a guess is right about them
as often as about anybody, and their number is a fixed share: exact bounds hold as for the average.
Subgroups are the classes of the utility tasks, in each as many people of each private class;
looking at many finds a bad one by chance, hence bounds that hold for all of them together.

Source: Carlini et al., "Membership Inference Attacks From First Principles" (2022), for why
averages mislead; Buolamwini and Gebru, "Gender Shades" (2018), for subgroups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.measure import proportion
from tiprdc.formats.audit_report import Measure

SHARES = (0.01, 0.05)
FEWEST = 10
"""People on whom a share is told; of fewer nothing can be said."""


def most_confident(
    about: str, said: NDArray[np.float64], truth: NDArray[np.int64], confidence: float
) -> Iterator[Measure]:
    """Accuracy among those of whom the attacker is most sure.

    Args:
        about: The private attribute.
        said: The attacker's probabilities `[N, K]` under equal class priors.
        truth: Class numbers `[N]`, the same number of each.
        confidence: Of each one-sided bound.
    """
    right = np.argmax(said, axis=1) == truth
    # Where the attacker is equally sure of several, chance decides: the order of rows may not.
    shuffle = np.random.default_rng(len(truth)).permutation(len(truth))
    surest = shuffle[np.argsort(-said.max(axis=1)[shuffle], kind="stable")]
    for share in SHARES:
        count = round(share * len(truth))
        if count >= FEWEST:
            yield proportion(
                f"accuracy among the {share:.0%} of whom the attacker is most sure",
                right[surest[:count]], confidence, baseline=1 / said.shape[1], about=about,
            )  # fmt: skip


def subgroups(
    about: str,
    said: NDArray[np.float64],
    truth: NDArray[np.int64],
    tasks: Mapping[str, tuple[NDArray[np.int64], tuple[str, ...]]],
    confidence: float,
) -> Iterator[Measure]:
    """Balanced accuracy in each class of each utility task.

    Args:
        about, said, truth: As in `most_confident`.
        tasks: Task -> class numbers `[N]` of the same people, and names of the classes.
        confidence: Of all bounds of this attribute together.
    """
    right, classes = np.argmax(said, axis=1) == truth, said.shape[1]
    groups = [
        (f"{task}: {name}", _balanced(np.flatnonzero(labels == number), truth, classes))
        for task, (labels, names) in tasks.items()
        for number, name in enumerate(names)
    ]
    told = [(name, rows) for name, rows in groups if len(rows) >= FEWEST * classes]
    for name, rows in told:
        each = 1 - (1 - confidence) / len(told)
        yield proportion(name, right[rows], each, baseline=1 / classes, about=about)


def _balanced(rows: NDArray[np.intp], truth: NDArray[np.int64], classes: int) -> NDArray[np.intp]:
    """As many of these rows of each class; which ones is random, and the same again."""
    mixed = np.random.default_rng(len(rows)).permutation(rows)
    of_class = [mixed[truth[mixed] == k] for k in range(classes)]
    each = min(map(len, of_class))
    return np.sort(np.concatenate([some[:each] for some in of_class]))
