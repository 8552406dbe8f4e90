"""Numbers that look random and are a function of their places: those of
child/noise.go, so that both sides train the same model on the same batches."""
import math

import torch


def mix(stream, count):
    """The hash function lowbias32 of the places below count."""
    low32 = 0xFFFFFFFF
    x = torch.arange(count, dtype=torch.int64) ^ (stream * 0x9E3779B9 & low32)
    x ^= x >> 16
    x = x * 0x7FEB352D & low32
    x ^= x >> 15
    x = x * 0x846CA68B & low32  # wraps around, which leaves the low bits right
    return x ^ x >> 16


def noise(shape, stream, bound):
    """A tensor of numbers from -bound to bound."""
    count = math.prod(shape)
    return (bound * (mix(stream, count).double() / 2**31 - 1)).float().reshape(shape)


def labels(count, stream, classes):
    return mix(stream, count) % classes


def lengths(count, batch, shortest, longest):
    """Lengths of the samples of a batch, uniform from shortest to longest: those of
    protocol/text.go."""
    return shortest + labels(count, 3000 + batch, longest - shortest + 1)
