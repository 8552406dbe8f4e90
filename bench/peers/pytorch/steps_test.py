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
import text
from batched import Batched
from steps import LR, MOMENTUM, RHO, Steps

SIZES = {"mlp": (3, 4, 2), "lenet": (8, 8, 1), "resnet20": (8, 8, 3)}
CLASSES, BATCH, STEPS = 5, 12, 3


def gradient(model, x, y):
    loss = cross_entropy(model(x), y)
    model.zero_grad()
    loss.backward()
    return loss.item(), [p.grad.clone() for p in model.parameters()]


def plain(model, x, y, shards):
    """The loss, and the gradient that mSAM gives the optimizer; with no shards, the
    gradient of the loss."""
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
    return mean, total


def sgd(model, momentum, total):
    for p, m, t in zip(model.parameters(), momentum, total):
        m.mul_(MOMENTUM).add_(t)
        p.data -= LR * m


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
            loss, total = plain(want, x, y, max(shards, method == "sam"))
            sgd(want, momentum, total)
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

    def check_text(self, form, method, shards, shortest):
        """The rule is Adam's own, and not by lists; the model is PyTorch's own layers."""
        made, want = (text.make(f, shortest < 9, "text-tiny", 50, 9, CLASSES).double() for f in (form, "layers"))
        adam = torch.optim.AdamW(want.parameters(), lr=text.LR, weight_decay=text.DECAY, foreach=False)
        take = text.TextSteps(made).step(method, shards)
        for i in range(STEPS):
            step = {"batch": BATCH, "classes": CLASSES, "text": {"vocabulary": 50, "length": 9, "shortest": shortest}}
            x, y = list(text.Text(form).batches(step))[i]
            loss, total = plain(want, x, y, max(shards, method == "sam"))
            for p, g in zip(want.parameters(), total):
                p.grad = g
            adam.step()
            self.assertAlmostEqual(float(take(x, y)), loss, delta=1e-10 * loss)
        # Adam divides by the size of gradients, which are nothing but roundings where the loss
        # doesn't depend on a parameter; its rate bounds what comes of that.
        for (name, p), q in zip(made.named_parameters(), want.parameters()):
            bias_of_keys = name.endswith("in_proj_bias")
            self.assertLess((p - q).abs().max().item(), 2 * STEPS * text.LR if bias_of_keys else 1e-9, name)

    def test_text(self):
        for form, shortest in (("layers", 9), ("written", 9), ("layers", 2), ("written", 2), ("packed", 2), ("first", 9), ("first", 2)):
            for method, shards in (("adamw", 0), ("msam", 1), ("msam", 5)):
                with self.subTest(form=form, shortest=shortest, method=method, shards=shards):
                    self.check_text(form, method, shards, shortest)


if __name__ == "__main__":
    unittest.main()
