"""Exact bounds of a proportion of people, and the number of people that a verdict needs.

The audit scores balanced accuracy on a sample with one record a person and the same number of
people of each class. There balanced accuracy is a plain proportion of people, so that exact
binomial bounds hold. They are conservative: given the classes, the successes are independent with
unequal rates, and such a sum is more concentrated than the binomial of its mean (Hoeffding 1956).
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

MOST_PEOPLE = 10_000_000
"""Limit of `people_needed`: no audit has more people."""


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
        power: Required chance of a PASS (rate below the limit) or a FAIL (above).

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
