"""DeepObfuscator: known task against an attribute adversary and a decoder, compared by SSIM.

Source: Li et al. 2019 (DeepObfuscator). The paper compares by MS-SSIM; here it is SSIM, since the
five scales of MS-SSIM need pictures of 160 pixels. Without pictures this method equals `pan`.
"""

from __future__ import annotations

from tiprdc.baselines.base import FitInputs, Method
from tiprdc.baselines.training_loop import LossTerms, train_extractor
from tiprdc.models.extractor import Extractor


class DeepObfuscator(Method):
    """Keeps one task and lowers the structural similarity of reconstructions."""

    name = "deepobfuscator"
    knows_task = True

    def fit(self, inputs: FitInputs) -> Extractor:
        terms = LossTerms(task=True, confusion="cross_entropy", opposed_decoder="ssim")
        return train_extractor(terms, inputs, method=self.name)
