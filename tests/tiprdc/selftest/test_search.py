"""The search keeps the configuration that is best on people that it was not fitted on."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from tiprdc.attacks.families.sklearn_attack import fit_estimator
from tiprdc.attacks.scaling import flatten
from tiprdc.selftest.fixtures import FIXTURES

LINEAR = LogisticRegression
MEMORY = lambda: KNeighborsClassifier(1)  # noqa: E731
BLIND = lambda: DummyClassifier(strategy="prior")  # noqa: E731


@pytest.mark.parametrize("worse", [MEMORY, BLIND], ids=["learns by heart", "learns nothing"])
@pytest.mark.parametrize("first", [True, False])
def test_better_configuration_is_kept(worse: type, first: bool) -> None:
    """At a Bayes rate of 0.7, a classifier that memorises does well only on its training people."""
    z, u = FIXTURES["linear"].draw(600, 0.7, np.random.default_rng(0))
    candidates = [LINEAR, worse] if first else [worse, LINEAR]
    attacker = fit_estimator(candidates, flatten, z, u, 2, 0)
    assert isinstance(attacker.estimator, LogisticRegression)
