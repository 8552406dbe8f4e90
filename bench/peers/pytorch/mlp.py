"""Times SGD, SAM and mSAM steps of the MLP 784-512-512-10 in PyTorch, as a good
PyTorch user writes them: fused list operations (torch._foreach_*), no copies of
the weights but one, mSAM as a loop over the shards. Prints milliseconds,
medians over rounds in which all methods take a turn, for one thread and two.

    python3 mlp.py [rounds]
"""
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy

BATCH, RHO, SHARDS = 256, 0.05, (2, 4, 8, 16, 32)


class Steps:
    def __init__(self):
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
        self.params = list(self.model.parameters())
        self.opt = torch.optim.SGD(self.params, lr=1e-4, momentum=0.9, foreach=True)

    def gradient(self, x, y):
        self.opt.zero_grad(set_to_none=True)
        cross_entropy(self.model(x), y).backward()
        return [p.grad for p in self.params]

    def sgd(self, x, y):
        self.gradient(x, y)
        self.opt.step()

    def msam(self, x, y, shards):
        total = None
        for xs, ys in zip(x.chunk(shards), y.chunk(shards)):
            g = self.gradient(xs, ys)
            norm = torch.stack(torch._foreach_norm(g)).norm()
            eps = torch._foreach_mul(g, float(RHO / norm))
            with torch.no_grad():
                torch._foreach_add_(self.params, eps)
            g = self.gradient(xs, ys)
            with torch.no_grad():
                torch._foreach_sub_(self.params, eps)
            if total is None:
                total = list(g)
            else:
                torch._foreach_add_(total, g)
        if shards > 1:
            torch._foreach_mul_(total, 1 / shards)
        for p, g in zip(self.params, total):
            p.grad = g
        self.opt.step()


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    x, y = torch.randn(BATCH, 784), torch.randint(0, 10, (BATCH,))
    print("torch", torch.__version__)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        s = Steps()
        methods = {"SGD": lambda: s.sgd(x, y), "SAM": lambda: s.msam(x, y, 1)}
        for m in SHARDS:
            methods[f"mSAM {m}"] = lambda m=m: s.msam(x, y, m)
        times = {name: [] for name in methods}
        for r in range(rounds + 3):
            for name, step in methods.items():
                start = time.perf_counter()
                step()
                if r >= 3:
                    times[name].append(1e3 * (time.perf_counter() - start))
        for name, t in times.items():
            ratio = statistics.median(a / b for a, b in zip(t, times["SAM"]))
            print(f"{threads} threads  {name:8} {statistics.median(t):7.2f} ms  {ratio:5.2f} x SAM")


if __name__ == "__main__":
    main()
