"""Answers each question with products of a model's Hessian and vectors, by PyTorch's autograd.

The first line of a question is JSON: model, size [H, W, C], classes, mode ("running"
or "batch"), batches (the number of samples of each), state and vectors (their numbers
of floats, and of vectors). Then come, in this machine's byte order, the parameters
(float32, laid out as package net has them), the running state, the images of all
batches [samples, H, W, C], the labels (int32), and the vectors (float32, laid out as
the parameters). The answer is the number of its floats (int64), then the loss and the
products, in float64, which is what all is computed in.
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
    height, width, channels = job["size"]
    samples = sum(job["batches"])

    def floats(n):
        return torch.from_numpy(np.frombuffer(source.read(4 * n), np.float32).copy()).double()

    model = MODELS[job["model"]](height, width, channels, job["classes"]).double()
    model.train(job["mode"] == "batch")
    places = list(layouts(model, channels))
    parameters = [p for p, _, _ in places]
    with torch.no_grad():
        for p, to_torch, _ in places:
            p.copy_(to_torch(floats(p.numel())))
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.copy_(floats(layer.running_mean.numel()))
                layer.running_var.copy_(floats(layer.running_var.numel()))
    x = floats(samples * height * width * channels).reshape(samples, height, width, channels).permute(0, 3, 1, 2)
    y = torch.from_numpy(np.frombuffer(source.read(4 * samples), np.int32).astype(np.int64))
    vectors = []
    for _ in range(job["vectors"]):
        flat, vector = floats(sum(p.numel() for p in parameters)), []
        for p, to_torch, _ in places:
            vector.append(to_torch(flat[:p.numel()]))
            flat = flat[p.numel():]
        vectors.append(vector)
    total, first = 0.0, 0
    products = [[torch.zeros_like(p) for p in parameters] for _ in vectors]
    for n in job["batches"]:
        loss = cross_entropy(model(x[first:first + n]), y[first:first + n], reduction="sum") / samples
        gradient = torch.autograd.grad(loss, parameters, create_graph=True)
        for vector, product in zip(vectors, products):
            along = sum((g * v).sum() for g, v in zip(gradient, vector))
            for sum_, part in zip(product, torch.autograd.grad(along, parameters, retain_graph=True)):
                sum_ += part
        total += loss.item()
        first += n
    values = [torch.tensor([total]).double()]
    for product in products:
        values += [from_torch(h).reshape(-1) for (_, _, from_torch), h in zip(places, product)]
    values = torch.cat(values).double().numpy()
    sys.stdout.buffer.write(np.int64(values.size).tobytes() + values.tobytes())
    sys.stdout.buffer.flush()


for line in iter(sys.stdin.buffer.readline, b""):
    answer(json.loads(line), sys.stdin.buffer)
