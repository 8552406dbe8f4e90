{{if .Uses.Residual}}
class Residual(nn.Module):
    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


{{end}}
{{- if .Uses.Subsample}}
class Subsample(nn.Module):
    """Takes every other pixel, or every third and so on, and appends channels
    of zeros."""

    def __init__(self, stride, zeros):
        super().__init__()
        self.stride, self.zeros = stride, zeros

    def forward(self, x):
        return nn.functional.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.zeros))


{{end}}
{{- if .Uses.LayerNorm}}
class LayerNorm(nn.Module):
    """Normalizes each pixel over its channels."""

    def __init__(self, channels, eps):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x):
        y = nn.functional.layer_norm(x.movedim(1, -1), self.weight.shape, self.weight, self.bias, self.eps)
        return y.movedim(-1, 1)


{{end -}}
class Model(nn.Sequential):
    def __init__(self):
        super().__init__(
{{.Lines}}
        )
