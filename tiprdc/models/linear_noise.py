"""The trivial alternatives to a trained extractor: linear features and Gaussian noise.

A release that keeps no more than these at the same attack has gained nothing by training. Three
ways to make them, all affine maps of the record:

    pca         the strongest principal components of the record, whitened
    leace       the same, then LEACE of the private attributes (leace.py)
    projection  a Gaussian random projection of the record

Every feature is brought to variance 1, so noise of s has s standard deviations of each.

    alternative = fit_alternative("pca", x, 128, None, (), seed=0)
    z = with_noise(alternative.features(attackers_x), 1.0, np.random.default_rng(1))

A record gets one draw of noise. Who obtains several draws of one record averages the noise away.

Source: Belrose et al. 2023 (LEACE); Deerwester et al. 1990 (a truncated SVD of weighted tokens).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from tiprdc.models.inputs import GREY_LEVELS
from tiprdc.models.layers.leace import LeaceLayer

LinearMethod = Literal["pca", "leace", "projection"]
LINEAR_METHODS: tuple[LinearMethod, ...] = get_args(LinearMethod)

MAX_SIDE = 32
"""Larger pictures are averaged to this height and width, in pixels."""
MAX_FITTED = 12_000
"""Most records that components are fitted on; LEACE and variances use all records."""
_MIN_VARIANCE = 1e-7
"""Directions with a smaller variance, as a share of the largest, are treated as absent."""
_MIN_STD = 1e-4
"""Features with a smaller standard deviation, as a share of the largest, count as constant."""
_BATCH = 4096

Rows = NDArray[np.float32] | sparse.csr_array
"""Records as rows of numbers `[N, D]`."""


@dataclass(frozen=True)
class Alternative:
    """A fitted map from records to features, and noise on them.

    Args:
        method: How it was made.
        rows: Records as attacks read them `[N, ...]` -> rows of numbers `[N, D]`.
        mean: Subtracted from `rows @ weight` `[P]`.
        weight: `[D, P]`.
        eraser: Maps whitened features `[N, P]` to features without linear traces of the private
            attributes; None where nothing is erased.
        centre, std: Mean and standard deviation of the result on the fitted records `[P]`.
    """

    method: LinearMethod
    rows: Callable[[NDArray[Any]], Rows]
    mean: NDArray[np.float32]
    weight: NDArray[np.float32]
    eraser: LeaceLayer | None
    centre: NDArray[np.float32]
    std: NDArray[np.float32]

    @property
    def width(self) -> int:
        """Number of features P: the requested one, or fewer if records have fewer directions."""
        return int(self.weight.shape[1])

    def features(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Features without noise `[N, width]`, each with standard deviation 1.

        Args:
            x: Records as attacks read them `[N, ...]`, of the kind that was fitted.
        """
        parts = [self._noiseless(x[i : i + _BATCH]) for i in range(0, len(x), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, self.width), np.float32)

    def _noiseless(self, x: NDArray[Any]) -> NDArray[np.float32]:
        z = _erase(self.eraser, _project(self.rows(x), self.weight, self.mean))
        return np.asarray((z - self.centre) / self.std, dtype=np.float32)


def with_noise(z: NDArray[Any], std: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Numbers `[N, ...]` with Gaussian noise of this standard deviation, 0 or more."""
    if not std >= 0:
        raise ValueError("noise has a standard deviation of 0 or more")
    noise = std * rng.standard_normal(z.shape, dtype=np.float32)
    return np.asarray(z + noise, dtype=np.float32)


def fit_alternative(
    method: LinearMethod,
    x: NDArray[Any],
    width: int,
    u: NDArray[np.int64] | None,
    classes: int | Sequence[int],
    seed: int,
) -> Alternative:
    """Fit a trivial alternative; u is used by `leace` alone.

    Args:
        method: One of `LINEAR_METHODS`.
        x: Records as attacks read them (`tiprdc.models.inputs.attack_inputs`): uint8 pictures
            `[N, C, H, W]`, standardised columns `[N, W]`, or token ids `[N, T]`.
        width: Number of features, 1 or more.
        u: Class numbers of the private attribute `[N]`, or of several `[N, A]`.
        classes: Number of classes of each private attribute.
        seed: Of randomised components and of the projection.

    Raises:
        ValueError: The method is unknown, the width is below 1, there are fewer than two records,
            or `leace` has no u.
    """
    if method not in LINEAR_METHODS:
        raise ValueError(f"{method!r} is none of {', '.join(LINEAR_METHODS)}")
    if width < 1 or len(x) < 2:
        raise ValueError("a width of 1 and two records at least")
    if method == "leace" and u is None:
        raise ValueError("leace needs the private attributes")
    rows = _as_rows(x)
    numbers = rows(x)
    if method == "projection":
        rng = np.random.default_rng(seed)
        weight = rng.standard_normal((numbers.shape[1], width), dtype=np.float32)
        weight /= np.float32(np.sqrt(numbers.shape[1]))
    else:
        weight = _components(numbers, width, seed)
    z = _project(numbers, weight, np.zeros(weight.shape[1], np.float32))
    mean = z.mean(0, dtype=np.float64)
    if method != "projection":
        rotation = _whitening(z - mean)
        weight, mean = (weight @ rotation).astype(np.float32), mean @ rotation
        z = z @ rotation.astype(np.float32)
    mean = mean.astype(np.float32)
    z = np.asarray(z - mean, dtype=np.float32)
    eraser = _fit_eraser(z, u, classes) if method == "leace" and u is not None else None
    z = _erase(eraser, z)
    std = z.std(0, dtype=np.float64)
    # A constant feature stays 0: dividing it by its rounding error would add noise.
    std = np.where(std > _MIN_STD * std.max(), std, np.inf).astype(np.float32)
    return Alternative(method, rows, mean, weight, eraser, z.mean(0), std)


def _as_rows(x: NDArray[Any]) -> Callable[[NDArray[Any]], Rows]:
    """Fits the map from records as attacks read them to rows of numbers."""
    if x.ndim == 4:
        return _pixels
    return _TokenWeights(x) if x.dtype.kind in "iu" else _columns


def _columns(x: NDArray[Any]) -> NDArray[np.float32]:
    return x.reshape(len(x), -1).astype(np.float32)


def _pixels(x: NDArray[Any]) -> NDArray[np.float32]:
    """Pictures `[N, C, H, W]` -> `[N, C * H' * W']` in units of 64 grey levels, H' and W' at most
    `MAX_SIDE`."""
    size = min(MAX_SIDE, x.shape[2]), min(MAX_SIDE, x.shape[3])
    small = np.empty((len(x), x.shape[1], *size), np.float32)
    for start in range(0, len(x), _BATCH):
        part = torch.from_numpy(np.ascontiguousarray(x[start : start + _BATCH])).float()
        small[start : start + len(part)] = F.adaptive_avg_pool2d(part, size).numpy()
    small /= np.float32(GREY_LEVELS)
    return small.reshape(len(x), -1)


class _TokenWeights:
    """Token ids `[N, T]` -> tf-idf weights of token presence `[N, V]`, each row of length 1."""

    def __init__(self, x: NDArray[Any]) -> None:
        self.size = int(x.max(initial=0)) + 1
        self.transformer = TfidfTransformer().fit(self._presence(x))

    def __call__(self, x: NDArray[Any]) -> sparse.csr_array:
        return sparse.csr_array(self.transformer.transform(self._presence(x)), dtype=np.float32)

    def _presence(self, x: NDArray[Any]) -> sparse.csr_array:
        known = (x > 0) & (x < self.size)
        pairs = np.unique(np.stack([np.nonzero(known)[0], x[known]]), axis=1)
        ones = np.ones(pairs.shape[1], np.float32)
        return sparse.csr_array((ones, (pairs[0], pairs[1])), shape=(len(x), self.size))


def _components(numbers: Rows, width: int, seed: int) -> NDArray[np.float32]:
    """Principal axes of the rows `[D, P]`, the strongest first; P is at most width and rank."""
    directions = numbers.shape[1] - (1 if sparse.issparse(numbers) else 0)
    most = min(width, directions, numbers.shape[0] - 1)
    sample = np.random.default_rng(seed).permutation(numbers.shape[0])[:MAX_FITTED]
    chosen = numbers[np.sort(sample)]
    most = max(1, min(most, len(sample) - 1))
    if not sparse.issparse(chosen) and (chosen == chosen[:1]).all():
        return np.zeros((numbers.shape[1], 1), np.float32)
    if sparse.issparse(chosen):
        svd = TruncatedSVD(most, n_iter=4, random_state=seed).fit(chosen)
        return np.asarray(svd.components_.T, dtype=np.float32)
    pca = PCA(most, iterated_power=3, random_state=seed).fit(chosen)
    return np.asarray(pca.components_.T, dtype=np.float32)


def _whitening(z: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Rotation and scale `[P, P']` after which centred columns are uncorrelated with variance 1."""
    variance, axes = np.linalg.eigh(np.asarray(z.T @ z, dtype=np.float64) / len(z))
    present = variance > _MIN_VARIANCE * max(variance.max(), 1e-30)
    order = np.flatnonzero(present)[::-1]
    if not len(order):
        return np.zeros((z.shape[1], 1))
    return np.asarray(axes[:, order] / np.sqrt(variance[order]))


def _project(
    rows: Rows, weight: NDArray[np.float32], mean: NDArray[np.float32]
) -> NDArray[np.float32]:
    return np.asarray(rows @ weight - mean, dtype=np.float32)


def _fit_eraser(
    z: NDArray[np.float32], u: NDArray[np.int64], classes: int | Sequence[int]
) -> LeaceLayer:
    columns = u.reshape(len(u), -1).T
    counts = (classes,) if isinstance(classes, int) else tuple(classes)
    one_hot = [np.eye(k)[column] for column, k in zip(columns, counts, strict=True)]
    layer = LeaceLayer(z.shape[1]).eval()
    layer.fit(torch.from_numpy(z), torch.from_numpy(np.concatenate(one_hot, axis=1)))
    return layer


def _erase(eraser: LeaceLayer | None, z: NDArray[np.float32]) -> NDArray[np.float32]:
    if eraser is None:
        return z
    with torch.no_grad():
        return np.asarray(eraser(torch.from_numpy(z)).numpy())
