"""A model's training steps as a good PyTorch user writes them: fused list
operations (torch._foreach_*), no copies of the weights, and mSAM as a loop over
the shards. batched.py has another form of mSAM."""
import torch
from torch import nn
from torch.nn.functional import cross_entropy

LR, MOMENTUM, RHO = 1e-3, 0.9, 0.05
SETS = 3  # batches that take turns


def cut(batch, shards):
    """Where all shards but the first begin. Their sizes differ by a sample at most,
    and the same ones are larger as in package sam: not so with a number of shards
    as tensor_split's argument."""
    return [i * batch // shards for i in range(1, shards)]


class Steps:
    def __init__(self, model):
        self.model = model
        self.params = list(model.parameters())
        self.norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
        self.opt = self.optimizer()

    def optimizer(self):
        return torch.optim.SGD(self.params, lr=LR, momentum=MOMENTUM, foreach=True)

    def plain(self, x, y):
        self.opt.zero_grad(set_to_none=True)
        loss = cross_entropy(self.model(x), y)
        loss.backward()
        self.opt.step()
        return loss.detach()

    def msam(self, x, y, shards):
        """A step of mSAM; with one shard it is SAM. A shard weighs as many samples as
        it has."""
        self.opt.zero_grad(set_to_none=True)
        losses, starts = [], cut(len(y), shards)
        for xs, ys in zip(x.tensor_split(starts), y.tensor_split(starts)):
            weight = len(ys) / len(y)
            loss = cross_entropy(self.model(xs), ys)
            ascent = torch.autograd.grad(loss, self.params)
            scale = RHO / float(torch.stack(torch._foreach_norm(ascent)).norm())
            with torch.no_grad():
                torch._foreach_add_(self.params, ascent, alpha=scale)
            self.track(False)
            (weight * cross_entropy(self.model(xs), ys)).backward()  # adds to the gradients
            self.track(True)
            with torch.no_grad():
                torch._foreach_sub_(self.params, ascent, alpha=scale)
            losses.append(weight * loss.detach())
        self.opt.step()
        return sum(losses)

    def track(self, on):
        """The ascent alone counts for the running statistics."""
        for norm in self.norms:
            norm.track_running_stats = on

    def step(self, method, shards):
        """The function that takes a step by a method of the protocol."""
        if method in ("sgd", "adamw"):
            return self.plain
        return lambda x, y: self.msam(x, y, max(1, shards))
