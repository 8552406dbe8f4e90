"""What child.py asks for: models over images, in a memory format and a form of
mSAM."""
import torch

import models
import noise
from batched import Batched
from steps import SETS, Steps


class Images:
    def __init__(self, layout, form):
        self.layout, self.form = layout, form

    def cannot(self, step):
        if "text" in step:
            return "images alone"
        if step["model"] == "mlp" and self.layout != torch.contiguous_format:
            return "no images in it"
        if self.form is Batched and (step["model"], step["method"]) != ("mlp", "msam"):
            return "all shards at once are of mSAM, and of the perceptron"

    def batches(self, step):
        """The batches of child/steppe, images channels first."""
        height, width, channels = step["input"]
        for i in range(SETS):
            x = noise.noise((step["batch"], height, width, channels), 1000 + i, 3**0.5)
            x = x.permute(0, 3, 1, 2).contiguous(memory_format=self.layout)
            yield x, noise.labels(step["batch"], 2000 + i, step["classes"])

    def steps(self, step):
        model = models.make(step["model"], step["input"], step["classes"])
        return self.form(model.to(memory_format=self.layout))


FORMS = {
    "contiguous": Images(torch.contiguous_format, Steps),
    "channels_last": Images(torch.channels_last, Steps),
    "batched": Images(torch.contiguous_format, Batched),
}
