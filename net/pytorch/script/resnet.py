class Block(nn.Module):
    def __init__(self, into, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or into != out:
            self.downsample = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def layer(into, out, blocks, stride):
    return nn.Sequential(Block(into, out, stride), *[Block(out, out, 1) for _ in range(blocks - 1)])


class Model(nn.Module):
    """The tensors have the names of torchvision.models.resnet18."""

    def __init__(self):
        super().__init__()
        {{if .Large -}}
        self.conv1 = nn.Conv2d({{.Channels}}, {{.Stem}}, 7, 2, 3, bias=False)
        {{- else -}}
        self.conv1 = nn.Conv2d({{.Channels}}, {{.Stem}}, 3, 1, 1, bias=False)
        {{- end}}
        self.bn1 = nn.BatchNorm2d({{.Stem}})
{{- range $i, $s := .Stages}}
        self.layer{{add $i 1}} = layer({{$s.In}}, {{$s.Out}}, {{$s.Blocks}}, {{$s.Stride}})
{{- end}}
        self.fc = nn.Linear({{.Features}}, {{.Outputs}})

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        {{- if .Large}}
        x = F.max_pool2d(x, 3, 2, 1)
        {{- end}}
{{- range $i, $s := .Stages}}
        x = self.layer{{add $i 1}}(x)
{{- end}}
        return self.fc(x.mean((2, 3)))
