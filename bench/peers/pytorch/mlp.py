"""Times SGD, SAM and mSAM steps of the MLP 784-512-512-10 in PyTorch. Prints
milliseconds, medians over rounds in which all methods take a turn, for one
thread and two.

    python3 mlp.py [rounds]
"""
import statistics
import sys
import time

import torch

import models
from steps import Steps

BATCH, SHARDS = 256, (2, 4, 8, 16, 32)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    x, y = torch.randn(BATCH, 1, 28, 28), torch.randint(0, 10, (BATCH,))
    print("torch", torch.__version__)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        s = Steps(models.make("mlp", (28, 28, 1), 10))
        methods = {"SGD": s.step("sgd", 0), "SAM": s.step("sam", 1)}
        for m in SHARDS:
            methods[f"mSAM {m}"] = s.step("msam", m)
        times = {name: [] for name in methods}
        for r in range(rounds + 3):
            for name, step in methods.items():
                start = time.perf_counter()
                step(x, y)
                if r >= 3:
                    times[name].append(1e3 * (time.perf_counter() - start))
        for name, t in times.items():
            ratio = statistics.median(a / b for a, b in zip(t, times["SAM"]))
            print(f"{threads} threads  {name:8} {statistics.median(t):7.2f} ms  {ratio:5.2f} x SAM")


if __name__ == "__main__":
    main()
