"""Hide without an adversary: pay for every nat of z, and earn those that u does not explain.

Features depend on the record alone, so I(z; u | x) = 0 and

    I(z; u) = I(z; x) - I(z; x | u)
           <= E[KL(N(m, 1) || N(0, v))] - (I(x; z, u) - I(x; u))

The first term is exact for a Gaussian z ~ N(m(x), 1) and bounds I(z; x) from above, whatever the
variances v of the normal that z is compared with. The nearest has those of z, v_d = E[m_d^2] + 1,
and with them it is

    E[KL] = 0.5 sum_d log(1 + E[m_d^2])

The game's critic T(x, z, u) bounds I(x; z, u) from below; I(x; u) is a constant of the data, at
most H(u). So an extractor that minimises `kl` minus the critic's bound, each with its weight,
pushes I(z; u) down with no opponent to outrun: what it keeps of x, it must not have paid for twice,
once in z and once in u.

Noise of deviation 1 and a scale of m that is learnt are as general as noise that is learnt: z times
a number tells neither less nor more than z.

It needs z to be random, in the release too, for the bound to mean anything: the mean alone is
deterministic, and I(z; x) of it has no such bound. And it is a mean over people: of one record, or
of people unlike those it was taken of, z may tell more.

Source: Moyer et al. 2018 (invariant representations without adversaries); Gupta et al. 2021 (FCRL),
whose contrastive term has the critic's place; Alemi et al. 2017 for the bound by the KL. Theirs
learn the noise and hold z to N(0, 1); the scale in place of it is ours.
"""

from __future__ import annotations

from torch import Tensor


def kl(mean: Tensor) -> Tensor:
    """Mean over the batch of KL(N(mean, 1) || N(0, v)), v the batch's own: a bound on I(z; x).

    0.5 sum_d log(1 + E[mean_d^2])

    Args:
        mean: `[B, D]`, in standard deviations of the noise.

    Returns:
        A scalar >= 0, in nats; exactly 0 where every mean is 0.
    """
    return 0.5 * mean.square().mean(0).log1p().sum()
