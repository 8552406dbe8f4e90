package pytorch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
)

// File is an open safetensors file with a state_dict.
type File struct {
	path    string
	tensors *checkpoint.Tensors
	names   map[string]string // in the file, by the name without what wrappers put before it
}

// Open opens a file. Only its header is read. A file of torch.save, which is a pickle, is an error
// that says how to convert it.
func Open(path string) (*File, error) {
	if isPickle(path) {
		return nil, fmt.Errorf("pytorch: %s is a file of torch.save, which only Python can read: convert it there with "+
			"safetensors.torch.save_file(torch.load(%q, map_location=\"cpu\"), \"model.safetensors\")", path, path)
	}
	t, err := checkpoint.OpenTensors(path)
	if err != nil {
		return nil, fmt.Errorf("pytorch: %w", err)
	}
	f := &File{path: path, tensors: t, names: map[string]string{}}
	all := t.Names()
	prefix := wrapper(all)
	for _, name := range all {
		f.names[strings.TrimPrefix(name, prefix)] = name
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.tensors.Close() }

// isPickle reports whether a file begins as those of torch.save do: a ZIP file, and before PyTorch
// 1.6 a pickle of protocol 2.
func isPickle(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	start := make([]byte, 4)
	if _, err := io.ReadFull(file, start); err != nil {
		return false
	}
	return bytes.HasPrefix(start, []byte("PK\x03\x04")) || bytes.HasPrefix(start, []byte{0x80, 2, 0x8a, 10})
}

// wrapper returns what DataParallel and torch.compile have put before all names, "" for nothing.
func wrapper(names []string) string {
	prefix := ""
	for {
		next := ""
		for _, p := range []string{"module.", "_orig_mod."} {
			if len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, prefix+p) }) {
				next = p
			}
		}
		if next == "" {
			return prefix
		}
		prefix += next
	}
}

// Meta returns the file's metadata, which is that of Write; files of other programs usually have
// none.
func (f *File) Meta() (checkpoint.Meta, error) {
	meta, err := f.tensors.Meta()
	if err != nil {
		return checkpoint.Meta{}, fmt.Errorf("pytorch: %w", err)
	}
	delete(meta.More, keyFormat)
	if len(meta.More) == 0 {
		meta.More = nil
	}
	return meta, nil
}

// Params returns the tensors for a model, in its own layout. The file must have each tensor of the
// model, by name and in its shape, and no others, except for num_batches_tracked; the error says
// which are missing or unexpected. Elements may be F32, F64, F16 or BF16, and must be finite.
// Variances must not be negative.
func (f *File) Params(model *net.Model) (*net.Params, error) {
	l, err := newLayout(model)
	if err != nil {
		return nil, err
	}
	names, err := f.match(l)
	if err == nil {
		err = f.validateShapes(l, names)
	}
	if err != nil {
		return nil, fmt.Errorf("pytorch: %s: %w", f.path, err)
	}
	params := &net.Params{Values: make([]float32, model.NumParams()), State: make([]float32, model.NumState())}
	for i, t := range l.tensors {
		theirs, err := f.tensors.Floats(names[i])
		if err != nil {
			return nil, fmt.Errorf("pytorch: %w", err)
		}
		if strings.HasSuffix(t.name, ".running_var") && slices.Min(theirs) < 0 {
			return nil, fmt.Errorf("pytorch: %s: %s is a variance, and has %v, want 0 or more", f.path, names[i], slices.Min(theirs))
		}
		ours, next := t.of(params), 0
		t.places(func(at int) {
			ours[at] = theirs[next]
			next++
		})
	}
	return params, nil
}

// match returns the name in the file of each tensor of a layout.
func (f *File) match(l *layout) (names []string, err error) {
	left := map[string]string{}
	for name, full := range f.names {
		if !strings.HasSuffix(name, ".num_batches_tracked") {
			left[name] = full
		}
	}
	var missing, unexpected []string
	for _, t := range l.tensors {
		name := t.name
		for _, other := range alternatives(l, t.name) {
			if _, ok := left[other]; ok {
				name = other
				break
			}
		}
		full, ok := left[name]
		if !ok {
			missing = append(missing, fmt.Sprintf("%q %v", t.name, []int(t.shape())))
		}
		delete(left, name)
		names = append(names, full)
	}
	for _, full := range left {
		shape, _ := f.tensors.Shape(full)
		unexpected = append(unexpected, fmt.Sprintf("%q %v", full, []int(shape)))
	}
	slices.Sort(unexpected)
	var wrong []string
	if len(missing) > 0 {
		wrong = append(wrong, "tensors missing: "+list(missing))
	}
	if len(unexpected) > 0 {
		wrong = append(wrong, "tensors that the model hasn't: "+list(unexpected))
	}
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	return names, nil
}

// alternatives returns what other code calls a tensor of a residual network, after our own name for
// it: the last layer is fc or linear, and the projection downsample or shortcut.
func alternatives(l *layout, name string) []string {
	names := []string{name}
	if l.names.family == "" {
		return names
	}
	if last, ok := strings.CutPrefix(name, "fc."); ok {
		names = append(names, "linear."+last)
	} else if last, ok := strings.CutPrefix(name, "linear."); ok {
		names = append(names, "fc."+last)
	}
	if strings.Contains(name, ".downsample.") {
		names = append(names, strings.Replace(name, ".downsample.", ".shortcut.", 1))
	}
	return names
}

// validateShapes compares the shapes of tensors with those of a layout.
func (f *File) validateShapes(l *layout, names []string) error {
	var wrong []string
	for i, t := range l.tensors {
		if shape, _ := f.tensors.Shape(names[i]); !slices.Equal(shape, t.shape()) {
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", names[i], []int(shape), []int(t.shape())))
		}
	}
	if len(wrong) > 0 {
		return errors.New(list(wrong))
	}
	return nil
}

// list joins some texts, and counts the rest.
func list(texts []string) string {
	const most = 4
	text := strings.Join(texts[:min(most, len(texts))], ", ")
	if len(texts) > most {
		text += " and " + strconv.Itoa(len(texts)-most) + " more"
	}
	return text
}
