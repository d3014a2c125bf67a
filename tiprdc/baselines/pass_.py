"""PASS: every record is replaced by another one, drawn at random from a list.

    P(x'|x) = softmax of cos(f(x), g(x')) / 0.01 over the M records x' of the list
    loss    = sum over u of -H(x'|u) + m H(x'|x)

Where H(x'|u) is log M, every x' is as likely for each class of u: nobody learns u from x'. The
second term makes x' depend on x. P(x'|u) is the mean of P(x'|x) over the records of a batch with
that u; both entropies are exact on a batch. Released are the unprotected features of x'.

f is a perceptron beside the identity on the features v of an unprotected extractor, g starts as v
of the records of the list: at the start, a record is replaced by one that is near. It is told no
task (the paper has a third term for tasks that are told).

Source: Chen et al., "PASS: Private Attributes Protection with Stochastic Data Substitution"
(ICML 2025), eq. 2 to 5 and 8; the start is ours, and so is releasing features, not records.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.baselines.base import FitInputs, Method
from tiprdc.baselines.unprotected_features import sample_rows, seeded, unprotected_features
from tiprdc.models.inputs import FeatureMaker
from tiprdc.models.trunks.mlp import perceptron

_TEMPERATURE = 0.01
_MAX_SUBSTITUTES = 4096
_RECORDS_A_SUBSTITUTE = 4
"""The list has at most a quarter of the records, so that most are replaced by another one."""
_UNITS = 256
_STEPS, _BATCH, _RATE = 400, 1024, 1e-3


class SubstitutedFeatures(nn.Module):
    """Raw records `[B, *spec.shape]` -> features of the records that replace them `[B, D]`.

    Draws come from a generator of its own, so the same calls give the same draws.

    Args:
        extractor: Unprotected.
        embedding: f, from its features to `[B, D]`.
        keys: g of the list `[M, D]`.
        released: Unprotected features of the list `[M, D]`.
        generator: Of the draws.
    """

    keys: Tensor
    released: Tensor

    def __init__(
        self,
        extractor: FeatureMaker,
        embedding: nn.Module,
        keys: Tensor,
        released: Tensor,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.spec, self.extractor, self.embedding = extractor.spec, extractor, embedding
        self.register_buffer("keys", keys)
        self.register_buffer("released", released)
        self.generator = generator

    def probabilities(self, x: Tensor) -> Tensor:
        """P(x'|x) of raw records `[B, *spec.shape]` -> `[B, M]`."""
        return _log_probabilities(self.embedding(self.extractor(x)), self.keys).exp()

    def forward(self, x: Tensor) -> Tensor:
        drawn = torch.multinomial(self.probabilities(x), 1, generator=self.generator)[:, 0]
        return self.released[drawn]


class Pass(Method):
    """Substitution by records of extractor-train."""

    name = "pass"
    exported = False

    def fit(self, inputs: FitInputs) -> SubstitutedFeatures:
        base = unprotected_features(inputs)
        v, count = base.z.float(), len(base.z)
        most = min(_MAX_SUBSTITUTES, max(2, count // _RECORDS_A_SUBSTITUTE))
        released = v[torch.from_numpy(sample_rows(count, most, inputs.seed))]
        torch.manual_seed(inputs.seed)
        generator = seeded(inputs.seed)
        embedding = _Embedding(v)
        keys = nn.Parameter(embedding(released).detach().clone())
        optimiser = torch.optim.AdamW([*embedding.parameters(), keys], _RATE, weight_decay=0.0)
        classes = [inputs.schema.classes(name) for name in inputs.schema.private]
        weight = inputs.config.entropy_weight
        for _ in range(_STEPS):
            rows = torch.randperm(count, generator=generator)[:_BATCH]
            log_p = _log_probabilities(embedding(v[rows]), keys)
            loss = substitution_loss(log_p, base.u[rows].float(), classes, weight)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's
            optimiser.step()
        return SubstitutedFeatures(
            base.extractor, embedding.requires_grad_(False), keys.detach(), released, generator
        ).eval()


class _Embedding(nn.Module):
    """f: standardised features plus a perceptron of them, which is 0 at the start."""

    centre: Tensor
    scale: Tensor

    def __init__(self, v: Tensor) -> None:
        super().__init__()
        self.register_buffer("centre", v.mean(0))
        self.register_buffer("scale", v.std(0).clamp(min=1e-6))
        self.perceptron = perceptron(v.shape[1], _UNITS, v.shape[1], hidden=2)
        last = self.perceptron[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, v: Tensor) -> Tensor:
        v = (v - self.centre) / self.scale
        embedded: Tensor = v + self.perceptron(v)
        return embedded


def _log_probabilities(embedded: Tensor, keys: Tensor) -> Tensor:
    cosines = F.normalize(embedded, dim=1) @ F.normalize(keys, dim=1).T
    log_p: Tensor = torch.log_softmax(cosines / _TEMPERATURE, dim=1)
    return log_p


def substitution_loss(log_p: Tensor, u: Tensor, classes: list[int], weight: float) -> Tensor:
    """The loss on a batch, in nats.

    Args:
        log_p: log P(x'|x) `[B, M]`.
        u: One-hot private attributes, joined `[B, K]`.
        classes: Number of classes of each.
        weight: m, for each private attribute.
    """
    p = log_p.exp()
    loss: Tensor = weight * len(classes) * -(p * log_p).sum(1).mean()
    for one_hot in torch.split(u, classes, dim=1):
        counts = one_hot.sum(0)
        of_classes = one_hot.T @ p / counts.clamp(min=1)[:, None]
        entropies = -(of_classes * (of_classes + 1e-12).log()).sum(1)
        loss = loss - (counts / len(u) * entropies).sum()
    return loss
