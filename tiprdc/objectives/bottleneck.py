"""The bottleneck: hide without an adversary by a price on every nat of z.

Features depend on the record alone, so I(z; u | x) = 0 and

    I(z; u) = I(z; x) - I(z; x | u)
           <= E[KL(N(m, 1) || N(0, v))] - (I(x; z, u) - I(x; u))

The first term is exact for a Gaussian z ~ N(m(x), 1). It bounds I(z; x) from above for any
variances v of the normal that z is compared with. The tightest are those of z, v_d = E[m_d^2] + 1,
which give

    E[KL] = 0.5 sum_d log(1 + E[m_d^2])

The critic T(x, z, u) bounds I(x; z, u) from below; I(x; u) is a constant of the data, at most H(u).
So an extractor that minimises `gaussian_kl` minus the critic's bound, each with its weight, lowers
I(z; u) without an adversary: information about u in z costs its price and gains nothing, since the
critic knows u.

Noise of deviation 1 with a learnt scale of m is as general as learnt noise: scaling z does not
change its information.

The bound holds only for a random z, also in the release: the mean alone is deterministic, and its
I(z; x) has no such bound. The bound is a mean over people: z may tell more about a single record,
or about people unlike those of the batch.

Source: Moyer et al. 2018 (invariant representations without adversaries); Gupta et al. 2021 (FCRL),
with a contrastive term in place of the critic; Alemi et al. 2017 for the KL bound. They learn the
noise and compare z with N(0, 1); the learnt scale is ours.
"""

from __future__ import annotations

from torch import Tensor


def gaussian_kl(mean: Tensor) -> Tensor:
    """Mean KL(N(mean, 1) || N(0, v)) with the batch's own v: an upper bound on I(z; x).

    0.5 sum_d log(1 + E[mean_d^2])

    Args:
        mean: m(x) `[B, D]`, in standard deviations of the noise.

    Returns:
        A scalar >= 0, in nats; exactly 0 if every mean is 0.
    """
    return 0.5 * mean.square().mean(0).log1p().sum()
