"""Answers each question with PyTorch's loss and gradient for a transformer, its
parameters and a batch.

The first line of a question is JSON: kind (classes, targets or language for text,
images), blocks, width, heads, vocabulary, lengths (tokens of each sample, or of
all), most (tokens of the longest sample that the model takes), outputs, and for images size and
patch. Then come, in this machine's byte order, the parameters (float32, laid out as package net has
them), and the samples: of text the tokens and their segments (int32), sample behind
sample, of images [N, H, W, C] (float32); then labels (int32), targets (float32) or
nothing. The answer is the number of its floats (int64), then the loss and the
gradient, laid out as the parameters, in float64.

Encoders are PyTorch's own layers, on padded samples. The language model is written
out, and computed sample by sample.
"""
import json
import math
import sys

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, gelu, layer_norm, linear, mse_loss

torch.set_default_dtype(torch.float64)


class Reader:
    """Reads numbers, and tensors of parameters in order."""

    def __init__(self, source):
        self.source = source
        self.parameters = []  # leaves, in package net's layout

    def numbers(self, count, dtype):
        return np.frombuffer(self.source.read(4 * count), dtype)

    def ints(self, count):
        return torch.from_numpy(self.numbers(count, np.int32).astype(np.int64))

    def floats(self, *shape):
        return torch.from_numpy(self.numbers(math.prod(shape), np.float32).astype(np.float64)).reshape(shape)

    def parameter(self, *shape):
        self.parameters.append(self.floats(*shape).requires_grad_())
        return self.parameters[-1]

    def dense(self, into, out):
        """Weight [out, into] and bias, as linear takes them."""
        weight = self.parameter(into, out)
        return weight.t(), self.parameter(out)

    def norm(self, width):
        return self.parameter(width), self.parameter(width)


class Block:
    def __init__(self, read, width, pre):
        qkv = lambda: (read.dense(width, 3 * width), read.dense(width, width))
        mlp = lambda: (read.dense(width, 4 * width), read.dense(4 * width, width))
        if pre:
            self.norm1, (self.qkv, self.out) = read.norm(width), qkv()
            self.norm2, (self.hidden, self.last) = read.norm(width), mlp()
        else:
            (self.qkv, self.out), self.norm1 = qkv(), read.norm(width)
            (self.hidden, self.last), self.norm2 = mlp(), read.norm(width)

    def encoder_layer(self, x, heads, epsilon, pre, padding):
        """The block as PyTorch's own layer."""
        layer = nn.TransformerEncoderLayer(
            x.shape[-1], heads, self.hidden[0].shape[0], dropout=0, activation="gelu", layer_norm_eps=epsilon,
            batch_first=True, norm_first=pre)
        values = dict(zip(
            ("self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias",
             "linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias",
             "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"),
            (*self.qkv, *self.out, *self.hidden, *self.last, *self.norm1, *self.norm2)))
        return torch.nn.utils.stateless.functional_call(layer, values, (x,), {"src_key_padding_mask": padding})

    def causal(self, x, heads):
        """The block of a language model with rotary positions, for one sample [L, width]."""
        length, width = x.shape
        q, k, v = linear(layer_norm(x, (width,), *self.norm1), *self.qkv).view(length, 3, heads, -1).permute(1, 2, 0, 3)
        q, k = rotated(q), rotated(k)
        scores = q @ k.transpose(-2, -1) / math.sqrt(width // heads)
        scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -math.inf)
        x = x + linear((scores.softmax(-1) @ v).transpose(0, 1).reshape(length, width), *self.out)
        return x + linear(gelu(linear(layer_norm(x, (width,), *self.norm2), *self.hidden)), *self.last)


def rotated(x):
    length, features = x.shape[-2:]
    half = features // 2
    angle = torch.arange(length).unsqueeze(1) * 10000 ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), -1)


def encoder(job, read):
    """The outputs of an encoder shaped as BERT."""
    width, lengths = job["width"], job["lengths"]
    words = read.parameter(job["vocabulary"], width)
    positions, segments = read.parameter(job["most"], width), read.parameter(2, width)
    norm = read.norm(width)
    blocks = [Block(read, width, False) for _ in range(job["blocks"])]
    pooler, last = read.dense(width, width), read.dense(width, job["outputs"])
    longest, total = max(lengths), sum(lengths)
    padding = torch.arange(longest) >= torch.tensor(lengths).unsqueeze(1)
    tokens, second = torch.zeros(2, len(lengths), longest, dtype=torch.long)
    tokens[~padding], second[~padding] = read.ints(total), read.ints(total)
    x = layer_norm(words[tokens] + positions[:longest] + segments[second], (width,), *norm, 1e-12)
    for block in blocks:
        x = block.encoder_layer(x, job["heads"], 1e-12, False, padding)
    return linear(torch.tanh(linear(x[:, 0], *pooler)), *last)


def language(job, read):
    """The loss of a language model."""
    width = job["width"]
    words = read.parameter(job["vocabulary"], width)
    blocks = [Block(read, width, True) for _ in range(job["blocks"])]
    norm = read.norm(width)
    total, terms = 0, 0
    tokens = read.ints(sum(job["lengths"])).split(job["lengths"])
    read.ints(sum(job["lengths"]))
    for sample in tokens:
        x = words[sample]
        for block in blocks:
            x = block.causal(x, job["heads"])
        logits = layer_norm(x, (width,), *norm) @ words.t()
        total = total + cross_entropy(logits[:-1], sample[1:], reduction="sum")
        terms += len(sample) - 1
    return total / terms


def vision(job, read):
    """The outputs of a vision transformer."""
    width, patch = job["width"], job["patch"]
    height, breadth, channels = job["size"]
    filters, bias = read.parameter(patch, patch, channels, width), read.parameter(width)
    places = read.parameter(height // patch * (breadth // patch), width)
    blocks = [Block(read, width, True) for _ in range(job["blocks"])]
    norm = read.norm(width)
    last = read.dense(width, job["outputs"])
    images = read.floats(len(job["lengths"]), height, breadth, channels).permute(0, 3, 1, 2)
    x = nn.functional.conv2d(images, filters.permute(3, 2, 0, 1), bias, stride=patch).flatten(2).transpose(1, 2) + places
    for block in blocks:
        x = block.encoder_layer(x, job["heads"], 1e-5, True, None)
    return linear(layer_norm(x, (width,), *norm).mean(1), *last)


def answer(job, read):
    if job["kind"] == "language":
        loss = language(job, read)
    else:
        outputs = vision(job, read) if job["kind"] == "images" else encoder(job, read)
        if job["kind"] == "targets":
            loss = mse_loss(outputs, read.floats(*outputs.shape))
        else:
            loss = cross_entropy(outputs, read.ints(len(outputs)))
    gradient = torch.autograd.grad(loss, read.parameters)
    values = torch.cat([loss.detach().reshape(1)] + [g.reshape(-1) for g in gradient]).numpy()
    sys.stdout.buffer.write(np.int64(values.size).tobytes() + values.tobytes())
    sys.stdout.buffer.flush()


for line in iter(sys.stdin.buffer.readline, b""):
    answer(json.loads(line), Reader(sys.stdin.buffer))
