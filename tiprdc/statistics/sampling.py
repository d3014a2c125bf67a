"""Samples of people: one record each, and the same number of each class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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


def some_people(person: NDArray[np.str_], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows of all records of people drawn at random, `most` records or a little fewer.

    Args:
        person: Person of each record `[N]`.
        most: Most records, 0 to N.
        rng: Draws the people.

    Returns:
        Rows `[M]`, ascending.
    """
    people, of_record, counts = np.unique(person, return_inverse=True, return_counts=True)
    order = rng.permutation(len(people))
    chosen = order[np.cumsum(counts[order]) <= most]
    return np.flatnonzero(np.isin(of_record.reshape(-1), chosen))
