"""Every number of the audit with its baseline and its interval: numpy and scipy only.

The audit scores balanced accuracy on a sample with one record a person and the same number of
people of each class. There balanced accuracy is a plain proportion of people, so that exact
binomial bounds hold. They are conservative: given the classes, the successes are independent with
unequal rates, and such a sum is more concentrated than the binomial of its mean (Hoeffding 1956).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

MOST_PEOPLE = 10_000_000
"""Where `people_needed` gives up: no audit has more people."""


@dataclass(frozen=True)
class Interval:
    """A proportion in [0, 1] with one-sided exact bounds, each holding at its own confidence."""

    value: float
    low: float
    high: float


def lower_bound(successes: int, trials: int, confidence: float = 0.95) -> float:
    """One-sided Clopper-Pearson lower bound of a binomial rate, in [0, 1].

    The rate p at which P(X >= successes) = 1 - confidence.

    Args:
        successes: 0 to trials.
        trials: >= 1.
        confidence: In (0, 1).

    Source: Clopper and Pearson, Biometrika 26 (1934).
    """
    _check(successes, trials, confidence)
    if successes == 0:
        return 0.0
    return float(stats.beta.ppf(1 - confidence, successes, trials - successes + 1))


def upper_bound(successes: int, trials: int, confidence: float = 0.95) -> float:
    """One-sided Clopper-Pearson upper bound of a binomial rate, in [0, 1].

    The rate p at which P(X <= successes) = 1 - confidence. Arguments as in `lower_bound`.
    """
    _check(successes, trials, confidence)
    if successes == trials:
        return 1.0
    return float(stats.beta.ppf(confidence, successes + 1, trials - successes))


def interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """The observed proportion between its two one-sided bounds."""
    return Interval(
        value=successes / trials,
        low=lower_bound(successes, trials, confidence),
        high=upper_bound(successes, trials, confidence),
    )


def _check(successes: int, trials: int, confidence: float) -> None:
    if not (trials >= 1 and 0 <= successes <= trials and 0 < confidence < 1):
        raise ValueError(f"no bound for {successes} of {trials} at confidence {confidence}")


def prior(classes: int) -> float:
    """Balanced accuracy of the best guess without features: 1 / K."""
    return 1 / classes


def balanced_accuracy(decided: NDArray[np.int64], truth: NDArray[np.int64], classes: int) -> float:
    """Mean over the classes of the share of its records that were recognised, in [0, 1].

    Args:
        decided: Class numbers `[N]`.
        truth: Class numbers `[N]`, each of the K classes at least once.
        classes: K.
    """
    of_class = np.bincount(truth, minlength=classes)
    if of_class.min() == 0:
        raise ValueError("balanced accuracy needs a record of every class")
    recognised = np.bincount(truth[decided == truth], minlength=classes)
    return float(np.mean(recognised / of_class))


def one_a_person(person: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.intp]:
    """One row of each person, every record of a person as likely, in random order `[people]`."""
    order = rng.permutation(len(person))
    _, first = np.unique(person[order], return_index=True)
    return rng.permutation(order[first])


def balanced_sample(
    labels: NDArray[np.int64], person: NDArray[np.str_], classes: int, seed: int
) -> NDArray[np.intp]:
    """Rows with one record a person and the same number of people of each class, sorted.

    Args:
        labels: Class numbers `[N]`.
        person: Person ids `[N]`; which record of a person is taken is random.
        classes: K.
        seed: The same seed gives the same rows.
    """
    rows = one_a_person(person, np.random.default_rng(seed))
    by_class = [rows[labels[rows] == k] for k in range(classes)]
    each = min(len(of_class) for of_class in by_class)
    return np.sort(np.concatenate([of_class[:each] for of_class in by_class]))


def label_floor(
    train: Mapping[str, NDArray[np.int64]],
    u: NDArray[np.int64],
    test: Mapping[str, NDArray[np.int64]],
    classes: int,
    strength: float = 20.0,
) -> NDArray[np.int64]:
    """What an attacker decides who sees only the true utility labels.

    Counts of u in each cell of the joint table of labels, shrunk towards naive Bayes by `strength`
    pseudo-people a cell: exact where people are many, independent labels where they are few.
    Decides by argmax p(k | labels) / p(k), as every attacker does.

    Args:
        train: Utility labels of attacker-train, task -> class numbers `[N]`, at least one.
        u: Private attribute of attacker-train `[N]`.
        test: Utility labels to decide on, task -> `[M]`, the same tasks.
        classes: K of the private attribute.
        strength: Pseudo-people, > 0.

    Returns:
        Decided class numbers `[M]`.
    """
    marginal = (np.bincount(u, minlength=classes) + 1) / (len(u) + classes)
    size = len(next(iter(test.values())))
    log_bayes = np.tile(np.log(marginal), (size, 1))
    for task, values in train.items():
        width = int(max(values.max(), test[task].max())) + 1
        table = np.ones((classes, width))
        np.add.at(table, (u, values), 1)
        log_bayes += np.log(table / table.sum(1, keepdims=True))[:, test[task]].T
    bayes = np.exp(log_bayes - log_bayes.max(1, keepdims=True))
    bayes /= bayes.sum(1, keepdims=True)
    counts = _cell_counts(train, u, test, classes)
    joint = (counts + strength * bayes) / (counts.sum(1, keepdims=True) + strength)
    decided: NDArray[np.int64] = np.argmax(joint / marginal, axis=1)
    return decided


def _cell_counts(
    train: Mapping[str, NDArray[np.int64]],
    u: NDArray[np.int64],
    test: Mapping[str, NDArray[np.int64]],
    classes: int,
) -> NDArray[np.float64]:
    """For each test row, how often each class `[M, K]` occurs in training with the same labels."""
    both = np.concatenate([np.stack(list(part.values()), 1) for part in (train, test)])
    _, cell = np.unique(both, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    counts = np.zeros((int(cell.max()) + 1, classes))
    np.add.at(counts, (cell[: len(u)], u), 1)
    return counts[cell[len(u) :]]


def leakage_bits(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """A lower bound on I(z; u) in bits, as estimated from this sample: log2 K minus cross-entropy.

    H(u) - CE(q) <= I(z; u) for any attacker q (Barber and Agakov 2003), here for balanced u. An
    estimate below 0 says nothing and is returned as 0.

    Args:
        probabilities: The attacker's `[N, K]` under equal class priors.
        truth: Class numbers `[N]`, the same number of each.
    """
    said = np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, 1.0)
    return float(max(0.0, np.log2(probabilities.shape[1]) + np.mean(np.log2(said))))


def pass_probability(rate: float, limit: float, people: int, confidence: float = 0.95) -> float:
    """Chance that the upper bound is at most the limit, if the true rate is `rate`, in [0, 1].

    Source: the largest count c with upper_bound(c) <= limit satisfies P(X <= c | limit) <=
    1 - confidence, so it is a binomial quantile and no search is needed.
    """
    count = int(stats.binom.ppf(1 - confidence, people, limit))
    while count >= 0 and upper_bound(count, people, confidence) > limit:
        count -= 1
    return float(stats.binom.cdf(count, people, rate)) if count >= 0 else 0.0


def fail_probability(rate: float, limit: float, people: int, confidence: float = 0.95) -> float:
    """Chance that the lower bound exceeds the limit, if the true rate is `rate`, in [0, 1]."""
    return pass_probability(1 - rate, 1 - limit, people, confidence)


def people_needed(
    rate: float,
    limit: float,
    classes: int,
    confidence: float = 0.95,
    power: float = 0.9,
) -> int | None:
    """People of all classes together that would settle an audit, if the true rate is `rate`.

    Args:
        rate: Balanced accuracy of the attacker, in [0, 1].
        limit: What the policy allows, in (0, 1).
        classes: K; the result is a multiple of it.
        confidence: Of each one-sided bound.
        power: Wanted chance of a PASS (rate below the limit) or a FAIL (above).

    Returns:
        The number, or None if more than `MOST_PEOPLE` would be needed.
    """
    settled = pass_probability if rate < limit else fail_probability
    low, high = 0, classes
    while settled(rate, limit, high, confidence) < power:
        low, high = high, 2 * high
        if high > MOST_PEOPLE:
            return None
    while high - low > classes:
        middle = (low + high) // (2 * classes) * classes
        if settled(rate, limit, middle, confidence) < power:
            low = middle
        else:
            high = middle
    return high
