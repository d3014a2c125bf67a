"""Accuracy on the people who are recognised best: an average hides a fully exposed minority.

The most confident people are chosen by the attacker's probabilities, without labels, and are a
fixed share. So a guess is right about them as often as about anybody, and exact bounds hold as for
the average. Subgroups are the classes of the utility tasks, with as many people of each private
class in each. Among many subgroups one looks bad by chance, so their bounds hold simultaneously.

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
"""Shares of the people, the most confident first."""
MIN_PEOPLE = 10
"""Fewest people that a share is reported on."""


def most_confident(
    about: str,
    probabilities: NDArray[np.float64],
    truth: NDArray[np.int64],
    confidence: float,
) -> Iterator[Measure]:
    """Accuracy among the people that the attacker is most confident about.

    Args:
        about: The private attribute.
        probabilities: The attacker's `[N, K]` under equal class priors.
        truth: Class numbers `[N]`, the same number of each.
        confidence: Of each one-sided bound.
    """
    correct = np.argmax(probabilities, axis=1) == truth
    # Ties are broken at random: the order of rows must not decide.
    shuffle = np.random.default_rng(len(truth)).permutation(len(truth))
    by_confidence = shuffle[np.argsort(-probabilities.max(axis=1)[shuffle], kind="stable")]
    for share in SHARES:
        count = round(share * len(truth))
        if count >= MIN_PEOPLE:
            yield proportion(
                f"accuracy among the {share:.0%} of whom the attacker is most sure",
                correct[by_confidence[:count]], confidence,
                baseline=1 / probabilities.shape[1], about=about,
            )  # fmt: skip


def subgroups(
    about: str,
    probabilities: NDArray[np.float64],
    truth: NDArray[np.int64],
    tasks: Mapping[str, tuple[NDArray[np.int64], tuple[str, ...]]],
    confidence: float,
) -> Iterator[Measure]:
    """Balanced accuracy in each class of each utility task.

    Args:
        about, probabilities, truth: As in `most_confident`.
        tasks: Task -> class numbers `[N]` of the same people, and names of the classes.
        confidence: Of all bounds of this attribute together.
    """
    correct = np.argmax(probabilities, axis=1) == truth
    classes = probabilities.shape[1]
    groups = [
        (f"{task}: {name}", _balanced(np.flatnonzero(labels == number), truth, classes))
        for task, (labels, names) in tasks.items()
        for number, name in enumerate(names)
    ]
    reported = [(name, rows) for name, rows in groups if len(rows) >= MIN_PEOPLE * classes]
    for name, rows in reported:
        each = 1 - (1 - confidence) / len(reported)
        yield proportion(name, correct[rows], each, baseline=1 / classes, about=about)


def _balanced(rows: NDArray[np.intp], truth: NDArray[np.int64], classes: int) -> NDArray[np.intp]:
    """As many of these rows of each class, drawn at random with a fixed seed."""
    shuffled = np.random.default_rng(len(rows)).permutation(rows)
    of_class = [shuffled[truth[shuffled] == k] for k in range(classes)]
    each = min(map(len, of_class))
    return np.sort(np.concatenate([rows[:each] for rows in of_class]))
