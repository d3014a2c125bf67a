"""Hide without an adversary: pay for every nat of z, and earn those that u does not explain.

Features depend on the record alone, so I(z; u | x) = 0 and

    I(z; u) = I(z; x) - I(z; x | u)
           <= E[KL(N(m, s^2) || N(0, 1))] - (I(x; z, u) - I(x; u))

The first term is exact for a Gaussian z ~ N(m(x), s(x)^2) and bounds I(z; x) from above, whatever
the distribution of z. The game's critic T(x, z, u) bounds I(x; z, u) from below; I(x; u) is a
constant of the data, at most H(u). So an extractor that minimises `kl_to_standard_normal` minus the
critic's bound, each with its weight, pushes I(z; u) down with no opponent to outrun: what it keeps
of x, it must not have paid for twice, once in z and once in u.

It needs z to be random, in the release too, for the bound to mean anything: the mean alone is
deterministic, and I(z; x) of it has no such bound.

Source: Moyer et al. 2018 (invariant representations without adversaries); Gupta et al. 2021 (FCRL),
whose contrastive term has the critic's place; Alemi et al. 2017 for the bound by the KL.
"""

from __future__ import annotations

import torch
from torch import Tensor


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Mean over the batch of KL(N(mean, variance) || N(0, 1)): an upper bound on I(z; x).

    0.5 sum_d (mean^2 + variance - 1 - log variance)

    Args:
        mean: `[B, D]`.
        log_variance: `[B, D]`, the logarithm of each feature's variance given the record.

    Returns:
        A scalar >= 0, in nats; exactly 0 where every z is standard normal whatever the record.
    """
    excess = torch.expm1(log_variance) - log_variance
    return 0.5 * (mean.square() + excess).sum(1).mean()


def sample(mean: Tensor, log_variance: Tensor) -> Tensor:
    """z ~ N(mean, variance) `[B, D]`, with a gradient to both (reparameterised).

    Args:
        mean: `[B, D]`.
        log_variance: `[B, D]`.
    """
    return mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
