"""Prints the outputs of BERT with a classifier, for a safetensors file with the names of Hugging
Face's transformers, by PyTorch's own encoder layers in float64.

The standard input is JSON: file, heads, and samples, each the ids of its tokens and their segments.
"""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.nn.functional import linear

torch.set_default_dtype(torch.float64)
EPSILON = 1e-12


def read(path):
    """The tensors of a safetensors file by name."""
    with open(path, "rb") as f:
        size = int.from_bytes(f.read(8), "little")
        header, data = json.loads(f.read(size)), f.read()
    tensors = {}
    for name, about in header.items():
        if name != "__metadata__":
            start, end = about["data_offsets"]
            values = np.frombuffer(data[start:end], np.float32).astype(np.float64)
            tensors[name] = torch.from_numpy(values).reshape(about["shape"])
    return tensors


question = json.load(sys.stdin)
tensors = read(question["file"])
words = tensors["bert.embeddings.word_embeddings.weight"]
positions = tensors["bert.embeddings.position_embeddings.weight"]
segments = tensors["bert.embeddings.token_type_embeddings.weight"]
width = words.shape[1]


def load(module, **names):
    """Gives a module the tensors of names, which must be all of its own."""
    module.load_state_dict({name.replace("__", "."): tensor for name, tensor in names.items()})
    return module.eval()


def both(name):
    return tensors[name + ".weight"], tensors[name + ".bias"]


norm = load(nn.LayerNorm(width, EPSILON), **dict(zip(("weight", "bias"), both("bert.embeddings.LayerNorm"))))
layers = []
while f"bert.encoder.layer.{len(layers)}.output.dense.weight" in tensors:
    name = f"bert.encoder.layer.{len(layers)}."
    hidden = tensors[name + "intermediate.dense.bias"].numel()
    layer = nn.TransformerEncoderLayer(
        width, question["heads"], hidden, activation="gelu", layer_norm_eps=EPSILON, batch_first=True, norm_first=False)
    inputs = [both(name + "attention.self." + part) for part in ("query", "key", "value")]
    state = {"self_attn__in_proj_weight": torch.cat([w for w, _ in inputs]), "self_attn__in_proj_bias": torch.cat([b for _, b in inputs])}
    for ours, theirs in (("self_attn__out_proj", "attention.output.dense"), ("linear1", "intermediate.dense"),
                         ("linear2", "output.dense"), ("norm1", "attention.output.LayerNorm"), ("norm2", "output.LayerNorm")):
        state[ours + "__weight"], state[ours + "__bias"] = both(name + theirs)
    layers.append(load(layer, **state))

outputs = []
with torch.no_grad():
    for tokens, second in question["samples"]:
        x = norm(words[tokens] + positions[:len(tokens)] + segments[second]).unsqueeze(0)
        for layer in layers:
            x = layer(x)
        pooled = torch.tanh(linear(x[0, 0], *both("bert.pooler.dense")))
        outputs.append(linear(pooled, *both("classifier")).tolist())
print(json.dumps(outputs))
