"""The models of net/zoo as a PyTorch user writes them."""
import math

from torch import nn
from torch.nn.functional import pad, relu

from noise import noise


def mlp(height, width, channels, classes):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(height * width * channels, 512), nn.ReLU(inplace=True),
        nn.Linear(512, 512), nn.ReLU(inplace=True), nn.Linear(512, classes))


def lenet(height, width, channels, classes):
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(height // 4 * (width // 4) * 64, 128), nn.ReLU(inplace=True), nn.Linear(128, classes))


def conv3x3(into, out, stride):
    return nn.Conv2d(into, out, 3, stride=stride, padding=1, bias=False)


class Block(nn.Module):
    """Two convolutions beside a shortcut without parameters: where the shape
    changes, every other pixel, with channels of zeros behind (option A)."""

    def __init__(self, into, out, stride):
        super().__init__()
        self.stride, self.zeros = stride, out - into
        self.conv1, self.norm1 = conv3x3(into, out, stride), nn.BatchNorm2d(out)
        self.conv2, self.norm2 = conv3x3(out, out, 1), nn.BatchNorm2d(out)

    def forward(self, x):
        y = self.norm2(self.conv2(relu(self.norm1(self.conv1(x)), inplace=True)))
        if self.stride > 1:
            x = pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.zeros))
        y += x
        return relu(y, inplace=True)


def resnet20(height, width, channels, classes):
    blocks, into = [], 16
    for stage, out in enumerate((16, 32, 64)):
        for block in range(3):
            blocks.append(Block(into, out, 2 if stage > 0 and block == 0 else 1))
            into = out
    return nn.Sequential(
        conv3x3(channels, 16, 1), nn.BatchNorm2d(16), nn.ReLU(inplace=True), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


MODELS = {"mlp": mlp, "lenet": lenet, "resnet20": resnet20}


def make(name, size, classes):
    """A model with the parameters that child/steppe gives it: filters are HWIO
    there and OIHW here, dense weights transposed, images flattened channels
    last."""
    model = MODELS[name](*size, classes)
    at, channels = 0, size[2]
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            out, into, height, width = layer.weight.shape
            w = noise((height, width, into, out), at, math.sqrt(6 / (height * width * into)))
            layer.weight.data.copy_(w.permute(3, 2, 0, 1))
            channels = out
        elif isinstance(layer, nn.Linear):
            out, into = layer.weight.shape
            w = noise((into, out), at, math.sqrt(6 / into))
            w = w.reshape(into // channels, channels, out).transpose(0, 1).reshape(into, out)
            layer.weight.data.copy_(w.t())
            channels = out
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.bias is not None:
            layer.bias.data.zero_()
        at += sum(p.numel() for p in layer.parameters(recurse=False))
    return model
