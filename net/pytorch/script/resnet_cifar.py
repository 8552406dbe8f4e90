class Block(nn.Module):
    """A shortcut has no parameters: where the shape changes, it takes every
    other pixel, and channels of zeros before and behind."""

    def __init__(self, into, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.stride, self.zeros = stride, (out - into) // 2

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.zeros, self.zeros))
        return F.relu(y + x)


def layer(into, out, blocks, stride):
    return nn.Sequential(Block(into, out, stride), *[Block(out, out, 1) for _ in range(blocks - 1)])


class Model(nn.Module):
    """The tensors have the names, and the channels the order, of
    github.com/akamaster/pytorch_resnet_cifar10."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d({{.Channels}}, {{.Stem}}, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d({{.Stem}})
{{- range $i, $s := .Stages}}
        self.layer{{add $i 1}} = layer({{$s.In}}, {{$s.Out}}, {{$s.Blocks}}, {{$s.Stride}})
{{- end}}
        self.linear = nn.Linear({{.Features}}, {{.Outputs}})

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
{{- range $i, $s := .Stages}}
        x = self.layer{{add $i 1}}(x)
{{- end}}
        return self.linear(x.mean((2, 3)))
