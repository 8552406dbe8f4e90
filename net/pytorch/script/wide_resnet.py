class Block(nn.Module):
    def __init__(self, into, out, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(into)
        self.conv1 = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.convShortcut = None
        if into != out:
            self.convShortcut = nn.Conv2d(into, out, 1, stride, bias=False)

    def forward(self, x):
        y = F.relu(self.bn1(x))
        if self.convShortcut is not None:
            x = self.convShortcut(y)
        y = F.relu(self.bn2(self.conv1(y)))
        return x + self.conv2(y)


class Stage(nn.Module):
    def __init__(self, into, out, blocks, stride):
        super().__init__()
        self.layer = nn.Sequential(Block(into, out, stride), *[Block(out, out, 1) for _ in range(blocks - 1)])

    def forward(self, x):
        return self.layer(x)


class Model(nn.Module):
    """The tensors have the names of github.com/xternalz/WideResNet-pytorch."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d({{.Channels}}, {{.Stem}}, 3, 1, 1, bias=False)
{{- range $i, $s := .Stages}}
        self.block{{add $i 1}} = Stage({{$s.In}}, {{$s.Out}}, {{$s.Blocks}}, {{$s.Stride}})
{{- end}}
        self.bn1 = nn.BatchNorm2d({{.Features}})
        self.fc = nn.Linear({{.Features}}, {{.Outputs}})

    def forward(self, x):
        x = self.conv1(x)
{{- range $i, $s := .Stages}}
        x = self.block{{add $i 1}}(x)
{{- end}}
        x = F.relu(self.bn1(x))
        return self.fc(x.mean((2, 3)))
