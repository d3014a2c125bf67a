"""What each attack is, in one line for people who approve."""

from __future__ import annotations

MEANINGS = {
    "logistic_regression": "a weighted sum of the features",
    "quadratic": "the features, their squares and products",
    "moments": "means and covariances of the classes",
    "gradient_boosting": "many small decision trees",
    "nearest_neighbours": "the people with the most similar features",
    "kernel": "smooth functions of the features",
    "mlp": "a small neural network",
    "cnn": "a network of convolutions",
    "gru": "a recurrent network over the words",
    "bag_of_tokens": "which words occur",
    "decoding": "rebuilds the record first, then classifies it",
    "decensoring": "first maps the features to those of a network that hides nothing",
    "ridge": "thousands of random functions of the features",
    "residual": "a deep network that also learns the record and the tasks",
    "recursive_features": "smooth functions that learn which directions matter",
    "stack": "weighs all other attacks together",
}
"""Attack -> what it looks at, or does."""


def meaning(attack: str) -> str:
    """The line of an attack; empty where there is none."""
    return MEANINGS.get(attack, "")
