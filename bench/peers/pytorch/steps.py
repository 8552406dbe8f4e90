"""A model's training steps as a good PyTorch user writes them: fused list
operations (torch._foreach_*), no copies of the weights but one, mSAM as a loop
over the shards."""
import torch
from torch.nn.functional import cross_entropy

LR, MOMENTUM, RHO = 1e-3, 0.9, 0.05


class Steps:
    def __init__(self, model):
        self.model = model
        self.params = list(model.parameters())
        self.opt = torch.optim.SGD(self.params, lr=LR, momentum=MOMENTUM, foreach=True)

    def gradient(self, x, y):
        """Leaves the gradients in the parameters, and returns the loss."""
        self.opt.zero_grad(set_to_none=True)
        loss = cross_entropy(self.model(x), y)
        loss.backward()
        return loss.detach()

    def gradients(self):
        return [p.grad for p in self.params]

    def sgd(self, x, y):
        loss = self.gradient(x, y)
        self.opt.step()
        return loss

    def msam(self, x, y, shards):
        """A step of mSAM; with one shard it is SAM."""
        total, losses = None, []
        for xs, ys in zip(x.chunk(shards), y.chunk(shards)):
            losses.append(self.gradient(xs, ys))
            g = self.gradients()
            norm = torch.stack(torch._foreach_norm(g)).norm()
            eps = torch._foreach_mul(g, float(RHO / norm))
            with torch.no_grad():
                torch._foreach_add_(self.params, eps)
            self.gradient(xs, ys)
            g = self.gradients()
            with torch.no_grad():
                torch._foreach_sub_(self.params, eps)
            if total is None:
                total = g
            else:
                torch._foreach_add_(total, g)
        if shards > 1:
            torch._foreach_mul_(total, 1 / shards)
        for p, g in zip(self.params, total):
            p.grad = g
        self.opt.step()
        return torch.stack(losses).mean()

    def step(self, method, shards):
        """The function that takes a step by a method of the protocol."""
        if method == "sgd":
            return self.sgd
        return lambda x, y: self.msam(x, y, max(1, shards))
