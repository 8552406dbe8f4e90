package runs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/steppe-ml/steppe/internal/atomicfile"
)

// The files of a run's folder, besides those of train.Run.
const (
	ConfigFile = "config.json"
	ResultFile = "result.json"
	CurvesFile = "curves.png"
	ReportFile = "report.html"
)

// Config is what config.json keeps of a run.
type Config struct {
	Version  string   `json:"steppe"`               // version that started the run
	ISA      string   `json:"isa"`                  // whose arithmetic decides the bits
	Machine  string   `json:"machine"`              // that started it
	DataSum  string   `json:"data_crc32,omitempty"` // of the training set; "" if it wasn't in memory
	Settings Settings `json:"settings"`
}

// maxConfig is far more bytes than a configuration has.
const maxConfig = 1 << 20

// Save writes config.json to a folder. The file appears whole or not at all.
func (c *Config) Save(dir string) error { return SaveJSON(filepath.Join(dir, ConfigFile), c) }

// SaveJSON writes a value to a file as indented JSON. The file appears whole or not at all.
func SaveJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// LoadConfig reads config.json of a folder. Its settings are valid.
func LoadConfig(dir string) (*Config, error) {
	path := filepath.Join(dir, ConfigFile)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(dir); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s is not the folder of a run: it has no %s: %w", dir, ConfigFile, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// inJSON says in words of JSON, and not of Go, what is wrong with a value.
func inJSON(err error) error {
	wrong := new(json.UnmarshalTypeError)
	if !errors.As(err, &wrong) {
		return err
	}
	want := map[reflect.Kind]string{
		reflect.Bool: "true or false", reflect.String: "a string", reflect.Float64: "a number", reflect.Slice: "a list",
		reflect.Int: "a whole number", reflect.Uint64: "a whole number that isn't negative", reflect.Struct: "an object",
	}[wrong.Type.Kind()]
	name := wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:]
	return fmt.Errorf("%q is a %s, want %s", name, wrong.Value, want)
}

// fromOtherVersion says of a setting that isn't known which version has it.
func fromOtherVersion(err error, text []byte) error {
	field, unknown := strings.CutPrefix(err.Error(), "json: ")
	var c struct {
		Version string `json:"steppe"`
	}
	if !unknown || !strings.HasPrefix(field, "unknown field") || json.Unmarshal(text, &c) != nil || c.Version == "" {
		return err
	}
	return fmt.Errorf("%s: the run is of steppe %s, which means something by it that this version doesn't know", field, c.Version)
}

// ParseConfig reads what Save writes, or another encoding of a Config as JSON. A setting that isn't known is an error: another version may
// mean something by it that decides the result.
func ParseConfig(text []byte) (*Config, error) {
	if len(text) > maxConfig {
		return nil, fmt.Errorf("more than %d bytes", maxConfig)
	}
	c := &Config{Settings: Defaults()}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(c); err != nil {
		return nil, fromOtherVersion(inJSON(err), text)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	if err := c.Settings.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}
