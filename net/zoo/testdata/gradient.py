"""Answers each question with PyTorch's loss and gradient for a model, parameters and a batch.

The first line of a question is JSON: model, size [H, W, C], classes, batch, dtype.
Then come, in this machine's byte order, the parameters (float32, laid out as
package net has them), the images [batch, H, W, C] and the labels (int32). The
answer is the number of its floats (int64), then the loss and the gradient, laid out
as the parameters, in float64, by arithmetic in the float type dtype.
"""
import json
import os
import sys

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../bench/peers/pytorch"))
from models import MODELS  # noqa: E402


def layouts(model, channels):
    """For each parameter in the program's order: what makes PyTorch's layout of
    ours, and ours of PyTorch's."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            out, into, height, width = layer.weight.shape
            yield (layer.weight, lambda w, s=(height, width, into, out): w.reshape(s).permute(3, 2, 0, 1),
                   lambda g: g.permute(2, 3, 1, 0))
            channels = out
        elif isinstance(layer, nn.Linear):
            out, into = layer.weight.shape
            c = channels
            yield (layer.weight,
                   lambda w, s=(into // c, c, out): w.reshape(s).permute(2, 1, 0).reshape(s[2], -1),
                   lambda g, s=(out, c, into // c): g.reshape(s).permute(2, 1, 0))
            channels = out
        else:
            for p in layer.parameters(recurse=False):
                yield p, lambda w, s=p.shape: w.reshape(s), lambda g: g
            continue
        if layer.bias is not None:
            yield layer.bias, lambda w: w, lambda g: g


def answer(job, source):
    dtype = getattr(torch, job["dtype"])
    height, width, channels = job["size"]

    def floats(n):
        return torch.from_numpy(np.frombuffer(source.read(4 * n), np.float32).copy()).to(dtype)

    model = MODELS[job["model"]](height, width, channels, job["classes"]).to(dtype)
    places = list(layouts(model, channels))
    with torch.no_grad():
        for p, to_torch, _ in places:
            p.copy_(to_torch(floats(p.numel())))
    x = floats(job["batch"] * height * width * channels).reshape(job["batch"], height, width, channels).permute(0, 3, 1, 2)
    y = torch.from_numpy(np.frombuffer(source.read(4 * job["batch"]), np.int32).astype(np.int64))
    loss = cross_entropy(model(x), y)
    loss.backward()
    values = [loss.detach().reshape(1)] + [from_torch(p.grad).reshape(-1) for p, _, from_torch in places]
    values = torch.cat(values).double().numpy()
    sys.stdout.buffer.write(np.int64(values.size).tobytes() + values.tobytes())
    sys.stdout.buffer.flush()


for line in iter(sys.stdin.buffer.readline, b""):
    answer(json.loads(line), sys.stdin.buffer)
