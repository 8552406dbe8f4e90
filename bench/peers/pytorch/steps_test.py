"""The steps are what they are meant to be: beside a plain one in float64, which
copies the model for each pass.

    python3 steps_test.py
"""
import copy
import unittest

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import models
import noise
from batched import Batched
from steps import LR, MOMENTUM, RHO, Steps

SIZES = {"mlp": (3, 4, 2), "lenet": (8, 8, 1), "resnet20": (8, 8, 3)}
CLASSES, BATCH, STEPS = 5, 12, 3


def gradient(model, x, y):
    loss = cross_entropy(model(x), y)
    model.zero_grad()
    loss.backward()
    return loss.item(), [p.grad.clone() for p in model.parameters()]


def plain(model, x, y, shards, momentum):
    """A step of mSAM, and of SGD with no shards; returns the loss before it."""
    mean, total = 0, [torch.zeros_like(p) for p in model.parameters()]
    count = max(1, shards)
    for i in range(count):
        start, end = i * BATCH // count, (i + 1) * BATCH // count
        xs, ys, n = x[start:end], y[start:end], end - start
        loss, g = gradient(model, xs, ys)
        if shards > 0:
            norm = sum((t * t).sum() for t in g).sqrt()
            moved = copy.deepcopy(model)
            for p, t in zip(moved.parameters(), g):
                p.data += RHO * t / norm
            _, g = gradient(moved, xs, ys)
        mean += loss * n / BATCH
        for t, part in zip(total, g):
            t += part * n / BATCH
    for p, m, t in zip(model.parameters(), momentum, total):
        m.mul_(MOMENTUM).add_(t)
        p.data -= LR * m
    return mean


class StepsTest(unittest.TestCase):
    def check(self, form, name, method, shards, layout=torch.contiguous_format):
        made = models.make(name, SIZES[name], CLASSES).double().to(memory_format=layout)
        want = copy.deepcopy(made)
        momentum = [torch.zeros_like(p) for p in want.parameters()]
        take = form(made).step(method, shards)
        before = [p.clone() for p in want.parameters()]
        for i in range(STEPS):
            height, width, channels = SIZES[name]
            x = noise.noise((BATCH, channels, height, width), i, 3**0.5).double().contiguous(memory_format=layout)
            y = noise.labels(BATCH, 100 + i, CLASSES)
            loss = plain(want, x, y, max(shards, method == "sam"), momentum)
            self.assertAlmostEqual(float(take(x, y)), loss, delta=1e-12 * loss)
        # Both sides round in other orders, some thousand times at most.
        for p, q, old in zip(made.parameters(), want.parameters(), before):
            moved = (q - old).norm().item()
            self.assertGreater(moved, 0)
            self.assertLess((p - q).norm().item(), 1e-9 * moved)
        for p, q in zip(made.modules(), want.modules()):
            if isinstance(p, nn.BatchNorm2d):
                self.assertLess((p.running_var - q.running_var).norm().item(), 1e-12 * q.running_var.norm().item())

    def test_loop(self):
        for name in models.MODELS:
            for method, shards in (("sgd", 0), ("sam", 0), ("msam", 2), ("msam", 5)):
                with self.subTest(model=name, method=method, shards=shards):
                    self.check(Steps, name, method, shards)

    def test_channels_last(self):
        for name in ("lenet", "resnet20"):
            self.check(Steps, name, "msam", 5, torch.channels_last)

    def test_batched(self):
        for shards in (1, 2, 4, 5, 7, 12):
            with self.subTest(shards=shards):
                self.check(Batched, "mlp", "msam", shards)


if __name__ == "__main__":
    unittest.main()
