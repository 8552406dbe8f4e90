"""The peer PyTorch: trains the models of net/zoo, speaking the protocol of
package protocol. Its argument is one of VARIANTS: how images are laid out, how
mSAM of a perceptron is computed, or how an encoder over text is written.

The number of threads is what the environment says (OMP_NUM_THREADS and
OPENBLAS_NUM_THREADS), for the whole of the process: torch.set_num_threads is
nothing that a BLAS with threads of its own would hear of.
"""
import ctypes
import json
import os
import sys

import torch

import images
import measure
import text
from steps import SETS

VARIANTS = images.FORMS | {form: text.Text(form) for form in text.FORMS}


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


def version(files):
    """What the report says of PyTorch, and of the kernels that its OpenBLAS uses."""
    said = f"PyTorch {torch.__version__}, oneDNN inside"
    for file in files:
        if "openblas" in os.path.basename(file):
            name = ctypes.CDLL(file).openblas_get_corename
            name.restype = ctypes.c_char_p
            said += f", OpenBLAS ({name().decode()} kernels)"
    return said


class Child:
    def __init__(self, variant):
        self.variant = VARIANTS[variant]
        self.fresh = True  # nothing has been computed yet
        self.subject = None  # the model and batch that were asked for last
        self.trainings = {}  # of it, by method and shards: takes a step, and facts

    def do(self, job):
        step = job.get("step")
        if step is None:
            return {"cannot": "training alone"}
        if cannot := self.variant.cannot(step):
            return {"cannot": cannot}
        if job["workers"] != torch.get_num_threads():
            return {"error": f"{torch.get_num_threads()} threads, want {job['workers']}"}
        subject = step | {"method": "", "shards": 0}
        if self.subject != subject:
            self.subject, self.trainings, self.data = subject, {}, list(self.variant.batches(step))
        method = step["method"], step.get("shards", 0)
        if method not in self.trainings:
            self.trainings[method] = self.begin(step)
        take, facts = self.trainings[method]
        reply = facts | measure.measure(lambda i: take(*self.data[i % SETS]), job["budget"] / 1e9)
        measure.settle()
        return reply

    def begin(self, step):
        """Makes a model and takes the first steps, whose loss the parent compares."""
        facts = {}
        if self.fresh:
            facts["bytes"] = self.growth(step, self.data)
            self.fresh = False
        steps, take = self.make(step)
        for i in range(SETS + 1):
            loss = take(*self.data[i % SETS])
        return take, facts | {"loss": float(loss), "parameters": sum(p.numel() for p in steps.params)}

    def make(self, step):
        steps = self.variant.steps(step)
        return steps, steps.step(step["method"], step.get("shards", 0))

    def growth(self, step, data):
        """The memory of a step beside parameters, momentum and batches. A step of few
        samples comes before, for the pages of libraries to be there already."""
        steps, take = self.make(step)
        shards = max(1, step.get("shards", 0))
        take(*(part[:2 * shards] for part in data[0]))
        steps.opt.zero_grad(set_to_none=True)
        return measure.growth(lambda: [take(*d) for d in data])


def write(message):
    print(json.dumps(message), flush=True)


def main():
    child = Child(sys.argv[1])
    torch.rand(2, 2) @ torch.rand(2, 2)  # libraries are loaded
    files = loaded()
    write({"version": version(files), "loaded": files})
    for line in sys.stdin:
        try:
            reply = child.do(json.loads(line))
        except Exception as e:  # the parent is to say so
            reply = {"error": f"{type(e).__name__}: {e}"}
        write(reply)


if __name__ == "__main__":
    main()
