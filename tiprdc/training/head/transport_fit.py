"""Fit the transport between classes on cached features of everybody, before the head learns.

Perceptrons guess the class of people whom they did not learn from. So training people and strangers
are moved alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.models.layers.transport import FOLDS, ClassTransport, Transport
from tiprdc.models.seeds import seeded
from tiprdc.training.head.config import LEAST_RECORDS
from tiprdc.training.schedule_config import cosine_decay

_BATCH, _RATE, _DECAY = 512, 2e-3, 1e-2
_PASSES, _LEAST_STEPS, _MOST_STEPS = 20, 50, 600
"""Passes of a perceptron over its people, and bounds of its steps."""
_JITTER = 0.1
"""Noise on features while perceptrons learn, in standard deviations."""
_ROUNDS = 30
"""Of the barycentre's fixed point."""
_LEAST, _MOST = 0.02, 50.0
"""Variance of a class in a direction, as a share of that of everybody: smaller and larger ones are
the regression's error."""
_RIDGE = 1e-3
_WEAKEST = 0.02
"""Weaker directions of the barycentre, as a share of the mean, are not brought up to variance 1."""
_CHUNK = 8192


@torch.no_grad()
def fit_transport(transport: Transport, z: Tensor, u: Tensor, copies: int, seed: int) -> Tensor:
    """Fit each attribute in turn, on what those before it moved.

    With few records (`LEAST_RECORDS`) the transport stays the identity.

    Args:
        transport: As built.
        z: Features `[N V, D]` of everybody, a record's copies behind it.
        u: Private attributes, then any other labels `[N V, A + T]`, int64.
        copies: V.
        seed: Of the folds and the perceptrons.

    Returns:
        `[N V, D]`: the same people moved by guesses of perceptrons that did not learn from them.
    """
    records = len(z) // copies
    if records < LEAST_RECORDS * z.shape[1]:
        return z
    order = torch.randperm(records, generator=torch.Generator().manual_seed(seed))
    fold = (order % FOLDS).repeat_interleave(copies).to(z.device)
    for number, attribute in enumerate(transport.attributes):
        z = _fit(cast(ClassTransport, attribute), z, u[:, number], fold, seed + number)
    return z


def _fit(transport: ClassTransport, z: Tensor, u: Tensor, fold: Tensor, seed: int) -> Tensor:
    posterior = z.new_zeros(len(z), len(transport.mean))
    for number in range(FOLDS):
        guess, out = transport.guess(number), fold == number
        with torch.enable_grad(), seeded(seed * FOLDS + number, z.device):
            _learn(guess, z[~out], u[~out])
        guess.eval()
        posterior[out] = torch.cat([guess(part) for part in torch.split(z[out], _CHUNK)]).softmax(1)
    mean, maps = _transports(z.double(), posterior.double())
    transport.mean.copy_(mean)
    transport.maps.copy_(maps)
    parts = zip(torch.split(z, _CHUNK), torch.split(posterior, _CHUNK), strict=True)
    return torch.cat([transport.move(*part) for part in parts])


def _learn(guess: nn.Sequential, z: Tensor, u: Tensor) -> None:
    """From new weights: a resumed run fits again."""
    for layer in guess:
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    optimiser = torch.optim.AdamW(guess.parameters(), lr=_RATE, weight_decay=_DECAY)
    guess.requires_grad_(True).train()
    steps = min(max(_PASSES * len(z) // _BATCH, _LEAST_STEPS), _MOST_STEPS)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = _RATE * cosine_decay(step / steps)
        rows = torch.randint(len(z), (_BATCH,)).to(z.device)
        noise = torch.randn(_BATCH, z.shape[1]).to(z.device)
        loss = F.cross_entropy(guess(z[rows] + _JITTER * noise), u[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    guess.requires_grad_(False)


def _transports(z: Tensor, posterior: Tensor) -> tuple[Tensor, Tensor]:
    """Means `[K, D]`, and maps `[K, D, D]` to the whitened barycentre.

    Means and covariances are regressions on the guesses. Where guesses are sure they are those of
    the classes; where they are not, what is left after the move is uncorrelated with the guesses.
    """
    gram = posterior.T @ posterior / len(z)
    weights = torch.linalg.solve(gram + _RIDGE * gram.trace() * torch.eye(len(gram)).to(gram),
                                 posterior.T) / len(z)  # fmt: skip
    mean = weights @ z
    rest = z - posterior @ mean
    everybody = rest.T @ rest / len(rest)
    white, back = _power(everybody, -0.5), _power(everybody, 0.5)
    covariances = [
        back @ _bounded(white @ (rest * w[:, None]).T @ rest @ white) @ back for w in weights
    ]
    centre = sum(covariances[1:], covariances[0]) / len(covariances)
    for _ in range(_ROUNDS):
        root, inverse = _power(centre, 0.5), _power(centre, -0.5)
        mixed = [_power(root @ c @ root, 0.5) for c in covariances]
        mixture = sum(mixed[1:], mixed[0]) / len(mixed)
        centre = inverse @ mixture @ mixture @ inverse
    whitening = _power(centre, -0.5, _WEAKEST)
    return mean, torch.stack([_map(c, centre) @ whitening for c in covariances])


def _map(covariance: Tensor, centre: Tensor) -> Tensor:
    """The symmetric map `[D, D]` that brings N(0, covariance) to N(0, centre)."""
    root, inverse = _power(covariance, 0.5), _power(covariance, -0.5)
    return inverse @ _power(root @ centre @ root, 0.5) @ inverse


def _power(matrix: Tensor, exponent: float, least: float = 1e-6) -> Tensor:
    """A power of a symmetric matrix `[D, D]`; eigenvalues are at least a share of their mean."""
    return _spectral(matrix, lambda v: v.clamp(min=least * float(v.mean())).pow(exponent))


def _bounded(matrix: Tensor) -> Tensor:
    return _spectral(matrix, lambda v: v.clamp(_LEAST, _MOST))


def _spectral(matrix: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of the eigenvalues of a symmetric matrix `[D, D]`."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return cast(Tensor, vectors * function(values) @ vectors.T)
