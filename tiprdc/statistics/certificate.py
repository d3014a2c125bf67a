"""A bound on every attacker of a code: on the counts of people in its cells, and nothing else.

A code gives each record one of K values, its cell. Let p_u(k) be the chance that a person of class
u = 1..C falls into cell k, and p_hat_u(k) the share among n_u people of that class, one record
each. The best balanced accuracy of any attacker whatsoever who sees the cell is

    BA* = (1/C) sum_k max_u p_u(k),

which is 1/2 + TV/2 for C = 2. The best look-up table reaches, on the people themselves,

    B = (1/C) sum_k max_u p_hat_u(k).

With probability at least 1 - delta over the draw of these people,

    BA* <= B + (1/C) sqrt( (sum_u 1/n_u) ln(1/delta) / 2 ).

Proof. E p_hat_u = p_u, and a maximum is convex, so E B >= BA* (Jensen). Another person in place of
one of class u changes B by at most 1/(C n_u): one cell loses 1/n_u, another gains it. McDiarmid's
inequality for sum of squares (1/C^2) sum_u 1/n_u gives P(B <= E B - slack) <= delta.

The code must not depend on these people, and the people must be independent draws of their class.
Nothing is assumed of the number of cells, which may even be infinite: cells without people add
nothing to B. So a code may be recognised as one from the very people that certify it. Many cells
cost tightness alone: with one person in each, B is 1 and the bound says nothing. A code with
random cells is covered if each person's cell is drawn once. For m private attributes, use
delta / m for each.

Not covered: people of another population, several codes of one person, side information.

Source: McDiarmid, "On the method of bounded differences" (1989); the plug-in estimate of total
variation is biased upwards, which makes it a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THEOREM = (
    "With probability at least 1 - delta over the draw of the people counted, no attacker who sees "
    "the cell exceeds a balanced accuracy of B + (1/C) sqrt(sum_u(1/n_u) ln(1/delta) / 2), where B "
    "is the in-sample accuracy of the best look-up table: E B is at least that of the best "
    "attacker (Jensen), and B is concentrated (McDiarmid)."
)

MAX_CELLS = 4096
"""Cells up to which features count as a code; with more, millions of people would be needed."""


@dataclass(frozen=True, kw_only=True)
class CodeBound:
    """Upper bound of the balanced accuracy of any attacker, with what it consists of.

    Args:
        cells: Cells with at least one person, 1 to K.
        people: Number of people of all classes.
        in_sample: Accuracy of the best look-up table on these people, in [1/C, 1].
        slack: What sampling may hide, > 0.
        bound: min(1, in_sample + slack).
    """

    cells: int
    people: int
    in_sample: float
    slack: float
    bound: float

    @property
    def is_constant(self) -> bool:
        """Whether everybody is in one cell: such a code hides everything and is of no use."""
        return self.cells == 1


def code_bound(counts: NDArray[np.int64] | Sequence[Sequence[int]], delta: float) -> CodeBound:
    """Bound every attacker of a code, from counts.

    Args:
        counts: People of class u in cell k `[C, K]`, C >= 2, K >= 1, every class with people.
        delta: Chance that the bound is wrong, in (0, 1); delta / m each for m attributes.

    Raises:
        ValueError: The counts are not such a table, or delta is not a probability.
    """
    table = _checked(counts)
    if not 0 < delta < 1:
        raise ValueError(f"delta must lie between 0 and 1, not {delta}")
    people = table.sum(1)
    classes = len(table)
    in_sample = float((table / people[:, None]).max(0).sum() / classes)
    slack = float(np.sqrt((1 / people).sum() * np.log(1 / delta) / 2) / classes)
    return CodeBound(
        cells=int(np.sum(table.sum(0) > 0)),
        people=int(people.sum()),
        in_sample=in_sample,
        slack=slack,
        bound=min(1.0, in_sample + slack),
    )


def has_more_cells_than_people(counts: NDArray[np.int64] | Sequence[Sequence[int]]) -> bool:
    """Whether a code has more cells than there are people: its bound holds, but says nothing.

    Args:
        counts: As in `code_bound`.
    """
    table = _checked(counts)
    return bool(table.shape[1] > int(table.sum()))


def cells(z: NDArray[np.generic]) -> NDArray[np.int64] | None:
    """The cell of each row of features `[N]`, if the rows take few values, else None.

    Few are at most `MAX_CELLS`, and at most one value for every two people: features that differ
    from person to person are no code. Rows are equal if all their bytes are. Bytes distinguish
    0.0 from -0.0, and so may an attacker.

    Args:
        z: Features `[N, D]`.

    Returns:
        Cell numbers 0..K-1, in the order in which the values first occur.
    """
    most = min(MAX_CELLS, max(1, len(z) // 2))
    number: dict[bytes, int] = {}
    of_row = np.empty(len(z), np.int64)
    for row, values in enumerate(np.ascontiguousarray(z)):
        of_row[row] = number.setdefault(values.tobytes(), len(number))
        if len(number) > most:
            return None
    return of_row


def cell_counts(cell: NDArray[np.int64], u: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """People of each class in each cell `[C, K]`.

    Args:
        cell: Cell of each person `[N]`, 0..K-1.
        u: Class of each person `[N]`, 0..C-1.
        classes: C.
    """
    counts = np.zeros((classes, int(cell.max()) + 1), np.int64)
    np.add.at(counts, (u, cell), 1)
    return counts


def _checked(counts: NDArray[np.int64] | Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """The counts as an array `[C, K]`."""
    if len(counts) < 2:
        raise ValueError("a certificate needs the counts of at least two classes")
    if len({len(row) for row in counts}) > 1:
        raise ValueError("the counts of all classes must have the same number of cells")
    table = np.asarray(counts)
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.integer):
        raise ValueError("counts must be whole numbers of people, classes x cells")
    if table.min(initial=0) < 0:
        raise ValueError("no cell can have fewer than 0 people")
    if not table.sum(1).all():
        raise ValueError("every class needs at least one person")
    return table.astype(np.int64)
