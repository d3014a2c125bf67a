"""The estimators of mutual information by name: what critic and extractor maximise.

Each takes scores of true triples and of triples with another record, and returns a scalar. `jsd` is
a signal only; the other two are in nats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from torch import Tensor

from tiprdc.objectives.donsker_varadhan import donsker_varadhan
from tiprdc.objectives.infonce import infonce
from tiprdc.objectives.jsd import jsd

MiEstimator = Literal["jsd", "infonce", "donsker_varadhan"]
Estimator: TypeAlias = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(joint `[B, ...]`, product `[R, B, ...]`, weight `[B, ...]` or None) -> scalar."""

ESTIMATORS: dict[MiEstimator, Estimator] = {
    "jsd": jsd,
    "infonce": infonce,
    "donsker_varadhan": donsker_varadhan,
}
