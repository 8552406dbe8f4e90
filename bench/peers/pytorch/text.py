"""Transformer encoders over text as a PyTorch user writes them, and their training
steps. A sample is a row of token ids, with -1 behind a short one.

The encoder has four forms, of the same parameters. PyTorch's own layers are the
first. The others have the layers written out, which leaves out some copies. Packed
has no rows of padding outside attention. First has none either, and computes in the
last block only the row that is read, as ours does."""
import math

import torch
from torch import nn
from torch.nn.functional import cross_entropy, gelu, layer_norm, linear

import noise
from steps import RHO, SETS, Steps, cut

HEADS = {"text-tiny": 2, "text-mini": 4}
WIDTH = {"text-tiny": 128, "text-mini": 256}
LAYERS = {"text-tiny": 2, "text-mini": 4}
EPSILON = 1e-12
LR, DECAY = 1e-4, 0.01
PADDING = -1


class Encoder(nn.Module):
    def __init__(self, name, vocabulary, length, classes):
        super().__init__()
        width = WIDTH[name]
        self.heads = HEADS[name]
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(length, width))
        self.segments = nn.Parameter(torch.empty(2, width))
        self.norm = nn.LayerNorm(width, EPSILON)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, self.heads, 4 * width, dropout=0, activation="gelu", layer_norm_eps=EPSILON, batch_first=True)
            for _ in range(LAYERS[name]))
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, classes)
        self.ragged = False

    def tensors(self):
        """The parameters in the order of package net, and whether they are transposed there."""
        yield from ((self.words.weight, False), (self.positions, False), (self.segments, False))
        yield from ((self.norm.weight, False), (self.norm.bias, False))
        for block in self.blocks:
            attention = block.self_attn
            yield from ((attention.in_proj_weight, True), (attention.in_proj_bias, False))
            for layer in (attention.out_proj, block.norm1, block.linear1, block.linear2, block.norm2):
                yield from ((layer.weight, isinstance(layer, nn.Linear)), (layer.bias, False))
        for layer in (self.pooler, self.classifier):
            yield from ((layer.weight, True), (layer.bias, False))

    def forward(self, tokens):
        padding = None
        if self.ragged:
            # No batch, and no shard, needs more columns than its longest sample.
            tokens = tokens[:, :int((tokens != PADDING).sum(1).max())]
            padding = tokens == PADDING
        return self.classifier(torch.tanh(self.pooler(self.encode(tokens, padding))))

    def embed(self, tokens, positions):
        return self.norm(self.words(tokens) + (positions + self.segments[0]))

    def encode(self, tokens, padding):
        """The first row of each sample, by PyTorch's own layers."""
        x = self.embed(tokens.clamp(min=0) if self.ragged else tokens, self.positions[:tokens.shape[1]])
        for block in self.blocks:
            x = block(x, src_key_padding_mask=padding)
        return x[:, 0]

    def attention(self, qkv, mask):
        """Self-attention of padded rows [N, L, 3 * width]. The mask [N, 1, 1, L] is added to
        the scores; None for no mask."""
        n, length, width = qkv.shape
        q, k, v = qkv.view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return attend(q, k, v, mask).transpose(1, 2).reshape(n, length, width // 3)


def attend(q, k, v, mask):
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)
    if mask is not None:
        scores += mask
    return scores.softmax(-1) @ v


def mask_of(padding, like):
    mask = torch.zeros(padding.shape, dtype=like.dtype)
    return mask.masked_fill_(padding, -math.inf)[:, None, None]


def finish(block, x, attended):
    """What follows attention in a block."""
    norm1, norm2, out = block.norm1, block.norm2, block.self_attn.out_proj
    x = layer_norm(x + linear(attended, out.weight, out.bias), x.shape[-1:], norm1.weight, norm1.bias, EPSILON)
    y = block.linear2(gelu(block.linear1(x)))
    return layer_norm(x + y, x.shape[-1:], norm2.weight, norm2.bias, EPSILON)


class Written(Encoder):
    def encode(self, tokens, padding):
        x = self.embed(tokens.clamp(min=0) if self.ragged else tokens, self.positions[:tokens.shape[1]])
        mask = None if padding is None else mask_of(padding, x)
        for block in self.blocks[:-1]:
            x = self.block(block, x, mask)
        return self.last(self.blocks[-1], x, mask)

    def block(self, block, x, mask):
        qkv = linear(x, block.self_attn.in_proj_weight, block.self_attn.in_proj_bias)
        return finish(block, x, self.attention(qkv, mask))

    def last(self, block, x, mask):
        return self.block(block, x, mask)[:, 0]


class Packed(Encoder):
    """All layers but attention have rows of tokens alone, sample behind sample."""

    def encode(self, tokens, padding):
        n, length = tokens.shape
        real = ~padding
        places = real.flatten().nonzero().squeeze(1)
        starts = torch.cat((places.new_zeros(1), real.sum(1).cumsum(0)[:-1]))
        pad = lambda rows: rows.new_zeros(n * length, rows.shape[1]).index_copy(0, places, rows).view(n, length, -1)
        x = self.embed(tokens.flatten()[places], self.positions[places % length])
        mask = mask_of(padding, x)
        for block in self.blocks[:-1]:
            x = self.block(block, x, mask, pad, places)
        return self.last(self.blocks[-1], x, mask, pad, places, starts)

    def block(self, block, x, mask, pad, places):
        qkv = linear(x, block.self_attn.in_proj_weight, block.self_attn.in_proj_bias)
        attended = self.attention(pad(qkv), mask).flatten(0, 1)
        return finish(block, x, attended.index_select(0, places))

    def last(self, block, x, mask, pad, places, starts):
        return self.block(block, x, mask, pad, places)[starts]


def first_row(block, heads, x, keys_values, mask):
    """A block's output of first rows x [N, width], by padded keys and values [N, L, 2 * width]
    of all rows."""
    n, width = x.shape
    attention = block.self_attn
    q = linear(x, attention.in_proj_weight[:width], attention.in_proj_bias[:width]).view(n, heads, 1, -1)
    k, v = keys_values.view(n, -1, 2, heads, width // heads).permute(2, 0, 3, 1, 4)
    return finish(block, x, attend(q, k, v, mask).reshape(n, width))


def keys_and_values(block, x):
    width, attention = x.shape[-1], block.self_attn
    return linear(x, attention.in_proj_weight[width:], attention.in_proj_bias[width:])


class WrittenFirst(Written):
    def last(self, block, x, mask):
        return first_row(block, self.heads, x[:, 0], keys_and_values(block, x), mask)


class PackedFirst(Packed):
    def last(self, block, x, mask, pad, places, starts):
        return first_row(block, self.heads, x[starts], pad(keys_and_values(block, x)), mask)


class TextSteps(Steps):
    """Steps by AdamW. In SAM and mSAM, gradients of the table of words are sparse: they
    have the rows of a shard's tokens, which alone are perturbed."""

    def __init__(self, model):
        super().__init__(model)
        self.table = model.words.weight
        self.others = [p for p in self.params if p is not self.table]

    def optimizer(self):
        return torch.optim.AdamW(self.params, lr=LR, weight_decay=DECAY, foreach=True)

    def msam(self, x, y, shards):
        self.opt.zero_grad(set_to_none=True)
        self.table.grad = torch.zeros_like(self.table)  # sparse gradients are added to it in place
        self.model.words.sparse = True
        losses, starts = [], cut(len(y), shards)
        for xs, ys in zip(x.tensor_split(starts), y.tensor_split(starts)):
            weight = len(ys) / len(y)
            loss = cross_entropy(self.model(xs), ys)
            rows, *ascent = torch.autograd.grad(loss, [self.table, *self.others])
            rows = rows.coalesce()
            places, rows = rows.indices()[0], rows.values()
            scale = RHO / float(torch.stack(torch._foreach_norm([rows, *ascent])).norm())
            with torch.no_grad():
                torch._foreach_add_(self.others, ascent, alpha=scale)
                self.table.index_add_(0, places, rows, alpha=scale)
            (weight * cross_entropy(self.model(xs), ys)).backward()  # adds to the gradients
            with torch.no_grad():
                torch._foreach_sub_(self.others, ascent, alpha=scale)
                self.table.index_add_(0, places, rows, alpha=-scale)
            losses.append(weight * loss.detach())
        self.model.words.sparse = False
        self.opt.step()
        return sum(losses)


# By name, the class for samples of one length, and that for samples of several; None if there is none.
FORMS = {
    "layers": (Encoder, Encoder),
    "written": (Written, Written),
    "packed": (None, Packed),
    "first": (WrittenFirst, PackedFirst),
}


class Text:
    """What child.py asks for: models over text, in one of FORMS."""

    def __init__(self, form):
        self.form = form

    def cannot(self, step):
        if "text" not in step:
            return "text alone"
        if FORMS[self.form][ragged(step)] is None:
            return "no padding to leave out"

    def batches(self, step):
        text, samples = step["text"], step["batch"]
        for i in range(SETS):
            x = noise.labels(samples * text["length"], 1000 + i, text["vocabulary"]).view(samples, -1)
            lengths = noise.lengths(samples, i, text["shortest"], text["length"])
            x[torch.arange(text["length"]) >= lengths.unsqueeze(1)] = PADDING
            yield x, noise.labels(samples, 2000 + i, step["classes"])

    def steps(self, step):
        text = step["text"]
        return TextSteps(make(self.form, ragged(step), step["model"], text["vocabulary"], text["length"], step["classes"]))


def ragged(step):
    return step["text"]["shortest"] < step["text"]["length"]


def make(form, ragged, name, vocabulary, length, classes):
    """A model with the parameters that child/steppe gives it."""
    model = FORMS[form][ragged](name, vocabulary, length, classes)
    model.ragged = ragged
    at = 0
    for tensor, transposed in model.tensors():
        tensor.data.zero_()
        if tensor.dim() == 2:
            shape = tensor.shape[::-1] if transposed else tensor.shape
            w = noise.noise(shape, at, math.sqrt(6 / shape[0]))
            tensor.data.copy_(w.t() if transposed else w)
        at += tensor.numel()
    for layer in model.modules():
        if isinstance(layer, nn.LayerNorm):
            layer.weight.data.fill_(1)
    return model
