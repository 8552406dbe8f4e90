"""Runs exported models and their sources' code in PyTorch.

Reads a folder that has cases.json, a list of {name, script, source, channels,
size, classes}, and for each case NAME.x, the samples in float32. Writes
    NAME.exported.y   outputs of the exported script with the exported tensors
    NAME.strict.y     outputs of the source's code with the exported tensors
    NAME.other.y      outputs of the source's code with other tensors, which are in
    NAME.other.safetensors
    NAME.again.safetensors  the exported tensors, saved by the script
A case whose source is "" has the script alone; one whose source can't be imported has
NAME.missing instead of its files.
"""
import importlib.util
import json
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from models import MODELS  # noqa: E402

torch.manual_seed(1)
folder = sys.argv[1]


def path(case, end):
    return os.path.join(folder, case["name"] + end)


def randomize(model):
    """Gives normalizations other numbers than a new model has."""
    for layer in model.modules():
        if hasattr(layer, "running_var"):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.uniform_(layer.bias, -0.5, 0.5)
            torch.nn.init.uniform_(layer.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)


def outputs(model, x, case, end):
    with torch.no_grad():
        model.eval()(x).numpy().astype(np.float32).tofile(path(case, end))


with open(os.path.join(folder, "cases.json")) as file:
    cases = json.load(file)
for case in cases:
    spec = importlib.util.spec_from_file_location("exported", path(case, ".py"))
    exported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(exported)
    x = torch.from_numpy(np.fromfile(path(case, ".x"), np.float32)).reshape(case["shape"])
    model = exported.load()
    outputs(model, exported.prepare(x), case, ".exported.y")
    exported.save(model, path(case, ".again.safetensors"))
    if not case["source"]:
        continue
    try:
        source = MODELS[case["source"]](case["channels"], case["size"], case["classes"])
    except ImportError:
        open(path(case, ".missing"), "w").close()
        continue
    if case["strict"]:
        source.load_state_dict(model.state_dict(), strict=True)
        outputs(source, exported.prepare(x), case, ".strict.y")
    for layer in source.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    randomize(source)
    source.metadata = {}
    outputs(source, exported.prepare(x), case, ".other.y")
    exported.save(source, path(case, ".other.safetensors"))
