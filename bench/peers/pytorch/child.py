"""The peer PyTorch: trains the models of net/zoo, speaking the protocol of
package protocol. Its argument is the memory format of images, contiguous or
channels_last.

The number of threads is what the environment says (OMP_NUM_THREADS and
OPENBLAS_NUM_THREADS), for the whole of the process: torch.set_num_threads is
nothing that a BLAS with threads of its own would hear of.
"""
import json
import os
import sys

import torch

import measure
import models
import noise
from steps import Steps

SETS = 3
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def loaded():
    """The files of BLAS libraries in this process."""
    files = set()
    with open("/proc/self/maps") as lines:
        for line in lines:
            file = line.split()[-1]
            name = os.path.basename(file).lower()
            if ".so" in name and any(part in name for part in ("blas", "blis", "dnnl", "mkl", "atlas")):
                files.add(file)
    return sorted(files)


def batches(step, layout):
    """The batches of child/steppe, images channels first."""
    height, width, channels = step["input"]
    for i in range(SETS):
        x = noise.noise((step["batch"], height, width, channels), 1000 + i, 3**0.5)
        x = x.permute(0, 3, 1, 2).contiguous(memory_format=layout)
        yield x, noise.labels(step["batch"], 2000 + i, step["classes"])


class Child:
    def __init__(self, layout):
        self.layout = FORMATS[layout]
        self.fresh = True  # nothing has been computed yet

    def do(self, job):
        step = job.get("step")
        if step is None:
            return {"cannot": "training alone"}
        if step["model"] == "mlp" and self.layout != torch.contiguous_format:
            return {"cannot": "no images in it"}
        if job["workers"] != torch.get_num_threads():
            return {"error": f"{torch.get_num_threads()} threads, want {job['workers']}"}
        return self.train(step, job["budget"] / 1e9)

    def train(self, step, budget):
        model = models.make(step["model"], step["input"], step["classes"]).to(memory_format=self.layout)
        data = list(batches(step, self.layout))
        steps = Steps(model)
        take = steps.step(step["method"], step.get("shards", 0))
        reply = {}
        if self.fresh:
            reply["bytes"] = self.growth(step, data)
            self.fresh = False
        for i in range(SETS + 1):
            loss = take(*data[i % SETS])
        reply |= measure.measure(lambda i: take(*data[i % SETS]), budget)
        reply |= {"loss": float(loss), "parameters": sum(p.numel() for p in steps.params)}
        measure.settle()
        return reply

    def growth(self, step, data):
        """The memory of a step beside parameters, momentum and batches. A step of few
        samples comes before, for the pages of libraries to be there already."""
        model = models.make(step["model"], step["input"], step["classes"]).to(memory_format=self.layout)
        steps = Steps(model)
        shards = max(1, step.get("shards", 0))
        take = steps.step(step["method"], shards)
        take(*(part[:2 * shards] for part in data[0]))
        steps.opt.zero_grad(set_to_none=True)
        return measure.growth(lambda: [take(*d) for d in data])


def write(message):
    print(json.dumps(message), flush=True)


def main():
    child = Child(sys.argv[1])
    torch.rand(2, 2) @ torch.rand(2, 2)  # libraries are loaded
    write({"version": f"PyTorch {torch.__version__}, oneDNN inside", "loaded": loaded()})
    for line in sys.stdin:
        try:
            reply = child.do(json.loads(line))
        except Exception as e:  # the parent is to say so
            reply = {"error": f"{type(e).__name__}: {e}"}
        write(reply)


if __name__ == "__main__":
    main()
