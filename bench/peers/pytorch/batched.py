"""mSAM of a perceptron with all shards at once: each shard's perturbed weights
are a matrix of a batch of them, torch.bmm and torch.baddbmm multiply by it.

Only what differs between shards is computed so. The ascent goes through the same
weights with all samples, and the sum of the shards' gradients in the descent is
one product over all samples; autograd is asked for the gradients of the layers'
outputs alone. The batches of matrices are kept from step to step: memory that
is new in each step costs more than the products, by its page faults."""
import torch
from torch import nn
from torch.nn.functional import cross_entropy, linear, relu

from steps import RHO, Steps, cut


class Batched(Steps):
    def __init__(self, model):
        super().__init__(model)
        self.layers = [layer for layer in model if isinstance(layer, nn.Linear)]
        self.prepared = None

    def prepare(self, batch, shards):
        """Which samples the shards have, whose rows are as many for each: smaller
        shards repeat a sample, without weight. Then the weights of the samples in the
        mean of a shard and in that of the batch, and room for the perturbed weights."""
        if self.prepared == (batch, shards):
            return
        self.prepared = batch, shards
        parts = torch.arange(batch).tensor_split(cut(batch, shards))
        sizes = torch.tensor([len(part) for part in parts]).unsqueeze(1)
        most = int(sizes.max())
        self.samples = torch.cat([torch.cat((part, part[:1]))[:most] for part in parts])
        real = torch.arange(most) < sizes
        dtype = self.params[0].dtype
        self.perturbed = [layer.weight.new_empty(shards, *layer.weight.shape) for layer in self.layers]
        self.in_shard, self.in_batch = (real.to(dtype) / sizes).flatten(), (real.to(dtype) / batch).flatten()

    def outputs(self, x, apply):
        """Inputs and outputs of the layers, where apply(i, x) is layer i."""
        inputs, outputs = [], []
        for i in range(len(self.layers)):
            inputs.append(x)
            outputs.append(apply(i, x))
            if i == 0:
                outputs[0].requires_grad_()
            x = relu(outputs[i])
        return inputs, outputs

    def msam(self, x, y, shards):
        self.prepare(len(y), shards)
        x, perturbed = x.flatten(1), self.perturbed
        if len(self.samples) > len(y):
            x, y = x[self.samples], y[self.samples]
        weights = [layer.weight.detach() for layer in self.layers]
        biases = [layer.bias.detach() for layer in self.layers]
        by_shard = lambda t: t.detach().unflatten(0, (shards, -1))

        inputs, outputs = self.outputs(x, lambda i, x: linear(x, weights[i], biases[i]))
        losses = cross_entropy(outputs[-1], y, reduction="none")
        deltas = torch.autograd.grad((losses * self.in_shard).sum(), outputs)
        with torch.no_grad():
            for i, delta in enumerate(deltas):
                torch.bmm(by_shard(delta).transpose(1, 2), by_shard(inputs[i]), out=perturbed[i])
            gradients = perturbed + [by_shard(delta).sum(1) for delta in deltas]
            norm = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients]).norm(dim=0)
            scale = (RHO / norm).unsqueeze(1)
            for weight, g in zip(weights, perturbed):
                torch.addcmul(weight, g, scale.unsqueeze(2), out=g)
            offsets = [torch.addcmul(bias, g, scale).unsqueeze(1) for bias, g in zip(biases, gradients[len(perturbed):])]

        inputs, outputs = self.outputs(
            x.unflatten(0, (shards, -1)), lambda i, x: torch.baddbmm(offsets[i], x, perturbed[i].transpose(1, 2)))
        descent = (cross_entropy(outputs[-1].flatten(0, 1), y, reduction="none") * self.in_batch).sum()
        for layer, x, delta in zip(self.layers, inputs, torch.autograd.grad(descent, outputs)):
            delta = delta.flatten(0, 1)
            layer.weight.grad = delta.t() @ x.detach().flatten(0, 1)
            layer.bias.grad = delta.sum(0)
        self.opt.step()
        return (losses.detach() * self.in_batch).sum()
