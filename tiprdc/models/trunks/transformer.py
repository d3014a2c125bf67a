"""A small transformer for text.

Source: Vaswani et al. 2017; normalised before each layer (Xiong et al. 2020), so that the learning
rate needs no warm-up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.errors import ConfigError
from tiprdc.models.trunks.embedding import embedding
from tiprdc.models.trunks.trunk_output import TrunkOutput


class Transformer(nn.Module):
    """Token ids `[B, T]`, 0 for padding -> `TrunkOutput`: token embeddings, and one vector.

    The vector is a linear map of the mean and the maximum of the last layer's outputs over the true
    tokens, of 0 for a text without tokens.

    Args:
        vocabulary_size: Number of token ids.
        length: Number T of tokens in a record.
        width: Width W of the embedding and of every layer.
        out: Width of the vector.
        depth: Number of layers.
        heads: Attention heads in a layer; they must divide the width.

    Raises:
        ConfigError: The heads do not divide the width.
    """

    def __init__(
        self, vocabulary_size: int, length: int, width: int, out: int, *, depth: int, heads: int
    ) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(
                "train.extractor.heads", heads, f"a number that divides {width}",
                "that is four times train.extractor.width: change one of the two",
            )  # fmt: skip
        self.embedding = embedding(vocabulary_size, width)
        self.position_embedding = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        # Nested tensors cannot be exported.
        self.layers = nn.TransformerEncoder(
            layer, depth, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.out = nn.Linear(2 * width, out)
        self.local_width, self.positions = width, 1

    def forward(self, x: Tensor) -> TrunkOutput:
        is_token = x > 0
        embedded = self.embedding(x)
        # The first position is always attended to: a text without tokens would divide 0 by 0.
        first = torch.arange(x.shape[1], device=x.device) == 0
        steps = self.layers(
            embedded + self.position_embedding,
            src_key_padding_mask=~(is_token | first).expand_as(x),
        )
        weight = is_token.unsqueeze(2).to(steps.dtype)
        mean = (steps * weight).sum(1) / weight.sum(1).clamp(min=1)
        top = (steps * weight - 1e4 * (1 - weight)).amax(1) * weight.amax(1)
        vector = self.out(torch.cat([mean, top], dim=1))
        return TrunkOutput(local=embedded, mask=is_token.float(), global_=vector)
