"""{{.Title}} in PyTorch, with the weights of {{.File}}.

    python3 {{.Script}}{{if .Pictures}} PICTURE...{{else if .Columns}} TABLE.csv...{{end}}

{{if .Pictures}}prints the class of each picture.{{else if .Columns}}prints a prediction for each row.{{else}}runs it on a sample of zeros.{{end}} In your own code:

    model = load("{{.File}}").eval()
    outputs = model(prepare(x))

x is [N, {{.ShapeText}}], {{.Values}}.
"""
{{if .Columns}}import csv
{{end}}import json
import os
import sys

import torch
from torch import nn
{{- if .Functional}}
from torch.nn import functional as F
{{- end}}

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "{{.File}}")
{{- if .Names}}
CLASSES = {{.Names}}
{{- end}}
{{- if .Columns}}
# Columns of a table: of numbers with their mean and deviation, or of words.
COLUMNS = {{.Columns}}
MISSING = {"", "na", "n/a", "nan", "null", "?"}
{{- end}}
{{- if .Target}}
TARGET_MEAN, TARGET_STD = {{.Target}}
{{- end}}
{{- if .Mean}}
MEAN = torch.tensor({{.Mean}})
STD = torch.tensor({{.Std}})
{{- end}}


{{.Definition}}

def prepare(x):
    """{{if .Mean}}Standardizes x as the training samples were.{{else}}Returns x: samples weren't standardized in training.{{end}}"""
    return {{if .Mean}}(x - MEAN{{.View}}) / STD{{.View}}{{else}}x{{end}}


def load(path=FILE):
    """The model with the tensors of a safetensors file. If you have that
    package, safetensors.torch.load_file reads them, too."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    types = {"F32": torch.float32, "I64": torch.int64}
    tensors = {}
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        values = torch.frombuffer(bytearray(data[begin:end]), dtype=types[tensor["dtype"]])
        tensors[name] = values.reshape(tensor["shape"])
    model = Model()
    model.load_state_dict(tensors)
    model.metadata = metadata
    return model


def save(model, path):
    """Writes a file that steppe import reads, after more training in PyTorch."""
    tensors = {name: t.detach().cpu().contiguous().numpy() for name, t in model.state_dict().items()}
    header, end = {"__metadata__": model.metadata}, 0
    for name, t in tensors.items():
        dtype = {"float32": "F32", "int64": "I64"}[t.dtype.name]
        header[name] = {"dtype": dtype, "shape": list(t.shape), "data_offsets": [end, end + t.nbytes]}
        end += t.nbytes
    header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for t in tensors.values():
            file.write(t.tobytes())

{{if .Pictures}}
def picture(path):
    """A picture as a sample [{{.ShapeText}}] of pixels from 0 to 1."""
    from PIL import Image, ImageOps
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("{{.Mode}}")
    image = image.resize(({{.Width}}, {{.Height}}), Image.BICUBIC)
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.reshape({{.Height}}, {{.Width}}, {{.Channels}}).permute(2, 0, 1) / 255


{{end}}
{{- if .Columns}}
def row(cells):
    """A row of a table, its cells by the names of columns, as a sample."""
    x = []
    for name, *of in COLUMNS:
        cell = cells[name].strip()
        if len(of) == 1:
            word = "" if cell.lower() in MISSING else cell
            if word not in of[0]:
                raise ValueError(f"{name}: expected one of {of[0]}, got {cell!r}")
            x += [float(word == w) for w in of[0]]
        else:
            x.append((float(cell) - of[0]) / (of[1] or 1))
    return torch.tensor(x)


def table(path):
    """All rows of a table, whose first line has the names of the columns."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        delimiter = max(",;\t", key=file.readline().count)
        file.seek(0)
        return torch.stack([row(cells) for cells in csv.DictReader(file, delimiter=delimiter, skipinitialspace=True)])


{{end}}
{{- if not .Pictures}}{{if not .Columns}}
{{end}}{{end -}}
if __name__ == "__main__":
    model = load().eval()
{{- if .Columns}}
    for path in sys.argv[1:]:
        with torch.no_grad():
            y = model(prepare(table(path))){{if .Classifies}}.softmax(1){{else if .Target}} * TARGET_STD + TARGET_MEAN{{end}}
        for i, p in enumerate(y):
            {{- if .Classifies}}
            best = int(p.argmax())
            print(f"{path}, row {i + 1}: {{if .Names}}{CLASSES[best]}{{else}}class {best}{{end}}, {100 * float(p[best]):.1f}%")
            {{- else}}
            print(f"{path}, row {i + 1}:", *p.tolist())
            {{- end}}
    if not sys.argv[1:]:
        print("usage: python3", sys.argv[0], "TABLE.csv...")
{{- else if .Pictures}}
    for path in sys.argv[1:]:
        with torch.no_grad():
            p = model(prepare(picture(path).unsqueeze(0))).softmax(1)[0]
        best = int(p.argmax())
        print(f"{path}: {{if .Names}}{CLASSES[best]}{{else}}class {best}{{end}}, {100 * float(p[best]):.1f}%")
    if not sys.argv[1:]:
        print("usage: python3", sys.argv[0], "PICTURE...")
{{- else}}
    with torch.no_grad():
        print(model(prepare(torch.zeros(1, {{.ShapeText}}))){{if .Classifies}}.softmax(1){{end}})
{{- end}}
