package pytorch

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/zoo"
)

// program exports a model with a program, called model.py, to a new folder.
func program(t *testing.T, m *net.Model, meta checkpoint.Meta) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var tensors, script bytes.Buffer
	require.NoError(t, Write(&tensors, m, m.Init(1), meta))
	require.NoError(t, WriteScript(&script, m, meta, "model.safetensors", "model.py"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), tensors.Bytes(), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.py"), script.Bytes(), 0o644))
	return dir
}

// run decodes the value of a Python expression, in which model is the program of a folder, and main
// runs it as a command.
func run(t *testing.T, dir, line string, to any) {
	t.Helper()
	const before = `
import contextlib, io, json, runpy, sys, model
def main(*args):
    sys.argv = ["model.py", *args]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        runpy.run_path("model.py", run_name="__main__")
    return out.getvalue()
`
	cmd := exec.Command(pythonWithPyTorch(t), "-B", "-c", before+"print(json.dumps("+line+"))")
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(t, err, errs.String())
	require.NoError(t, json.Unmarshal(out, to), string(out))
}

// The program prepares the rows of a table, and predicts in the units of the target.
func TestProgramForTables(t *testing.T) {
	in := dataset.Input{Table: &dataset.Table{
		Columns: []dataset.Column{
			{Name: "acid, free", Mean: 0.1, Std: 0.3},
			{Name: "color", Words: []string{"", "red", `"deep" white`}},
			{Name: "constant", Mean: 5},
		},
		Label: dataset.Column{Name: "quality", Mean: 100, Std: 20},
	}}
	text := "constant,unused,\"acid, free\",color\n5,x,0.25,red\n7,y, -1e3 ,\n5,,0,\"\"\"deep\"\" white\"\n5,,0,N/A\n"
	meta := checkpoint.Meta{Model: "mlp"}
	var err error
	meta.Preprocess, err = json.Marshal(in)
	require.NoError(t, err)
	m, err := net.Compile(net.Shape{5}, net.Dense{Out: 3}, net.Tanh{}, net.Dense{Out: 1}, net.MSE{})
	require.NoError(t, err)
	dir := program(t, m, meta)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new.csv"), []byte(text), 0o644))
	x, _, err := in.Rows(strings.NewReader(text), "new.csv")
	require.NoError(t, err)
	y, err := m.Predict(m.Init(1), x)
	require.NoError(t, err)

	var got struct {
		X, Y [][]float32
		Main string
	}
	run(t, dir, `{"x": model.table("new.csv").tolist(), "y": model.load().eval()(model.table("new.csv")).tolist(), "main": main("new.csv")}`, &got)
	var gotX, gotY []float32
	for i := range got.X {
		gotX, gotY = append(gotX, got.X[i]...), append(gotY, got.Y[i]...)
	}
	assert.InDeltaSlice(t, x, gotX, 1e-4, "of 1e3/0.3")
	assert.InDeltaSlice(t, y, gotY, 1e-5)
	assert.Regexp(t, `^new\.csv, row 1: \d+\.\d+\n(.*\n){3}$`, got.Main)
	assert.Contains(t, string(read(t, filepath.Join(dir, "model.py"))), "TARGET_MEAN, TARGET_STD = 100, 20\n")
}

// The program reads a picture of the model's size as Steppe does, and names the class.
func TestProgramForPictures(t *testing.T) {
	python := pythonWithPyTorch(t)
	if !hasPackage(python, "PIL") {
		t.Skip("no Pillow is on this machine")
	}
	in := dataset.Input{Pictures: &dataset.Pictures{Height: 9, Width: 8, Channels: 3}}
	picture := image.NewNRGBA(image.Rect(0, 0, 8, 9))
	for i := range 72 {
		picture.SetNRGBA(i%8, i/8, color.NRGBA{byte(3 * i), byte(255 - i), byte(i * i), 255})
	}
	picture.SetNRGBA(1, 1, color.NRGBA{9, 9, 9, 0}) // which is white
	var encoded bytes.Buffer
	require.NoError(t, png.Encode(&encoded, picture))
	meta := checkpoint.Meta{Model: "lenet", Classes: 2, ClassNames: []string{"cat, dog", `"x"`}, Standardize: "mean 0.5,0.4,0.3 deviation 0.2,0.3,0.4"}
	var err error
	meta.Preprocess, err = json.Marshal(in)
	require.NoError(t, err)
	m, err := zoo.LeNet(net.Shape{9, 8, 3}, 2)
	require.NoError(t, err)
	dir := program(t, m, meta)
	path := filepath.Join(dir, "p.png")
	require.NoError(t, os.WriteFile(path, encoded.Bytes(), 0o644))
	x, err := in.Picture(path)
	require.NoError(t, err)

	var got struct {
		Picture [][][]float32
		Main    string
	}
	run(t, dir, `{"picture": model.picture("p.png").tolist(), "main": main("p.png")}`, &got)
	require.Len(t, got.Picture, 3)
	for i, v := range x {
		assert.InDelta(t, v, got.Picture[i%3][i/3/8][i/3%8], 1e-6)
	}
	assert.Regexp(t, `^p\.png: (cat, dog|"x"), \d+\.\d%\n$`, got.Main)
}

func TestWriteScriptOfBadPreprocess(t *testing.T) {
	m, err := net.Compile(net.Shape{5}, net.Dense{Out: 2})
	require.NoError(t, err)
	for text, want := range map[string]string{
		`{"table":{"columns":[{"name":"a"}],"label":{"name":"b"}}}`: `pytorch: metadata "preprocess" makes samples of 1 values, and the model takes 5`,
		`{}`: `pytorch: metadata "preprocess": dataset: an Input has pictures, a table or texts`,
		`[]`: `pytorch: metadata "preprocess": json: `,
	} {
		var b bytes.Buffer
		assert.ErrorContains(t, WriteScript(&b, m, checkpoint.Meta{Preprocess: json.RawMessage(text)}, "m", "s.py"), want)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}
