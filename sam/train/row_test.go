package train

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRowJSON(t *testing.T) {
	for want, row := range map[string]Row{
		`{"kind":"epoch","epoch":3,"step":15,"train_loss":0.5,"valid_loss":0.25,"valid_accuracy":0.75,"valid_R2":1,"valid_f1":"NaN","lr":0.1,"rho":0.05,"grad_norm":1.5,"sharpness":-0.125,"seconds":2,"examples_per_second":80}`: {
			RowEpoch, 3, 15, 0.5, Scores{"f1": math.NaN(), "R2": 1, "accuracy": 0.75, "loss": 0.25}, 0.1, 0.05, 1.5, -0.125, 2, 80},
		`{"kind":"step","epoch":1,"step":18446744073709551615,"train_loss":"+Inf","lr":1e-30,"rho":0,"grad_norm":"-Inf","sharpness":0.1,"seconds":0,"examples_per_second":0}`: {
			RowStep, 1, math.MaxUint64, math.Inf(1), nil, 1e-30, 0, math.Inf(-1), 0.1, 0, 0},
	} {
		text, err := json.Marshal(row)
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
		var read Row
		require.NoError(t, json.Unmarshal(text, &read))
		if v := row.Valid["f1"]; math.IsNaN(v) { // which equals nothing
			assert.True(t, math.IsNaN(read.Valid["f1"]))
			row.Valid["f1"], read.Valid["f1"] = 0, 0
		}
		assert.Equal(t, row, read)
	}
	var read Row
	require.NoError(t, json.Unmarshal([]byte(`{"later":{"a":[1]},"step":7,"kind":"step","epoch":2}`), &read))
	assert.Equal(t, Row{Kind: RowStep, Epoch: 2, Step: 7}, read, "a row of a later version")
}

func TestRowErrors(t *testing.T) {
	for text, want := range map[string]string{
		`[1]`:                                                      "want an object of JSON: ",
		`{}`:                                                       `"kind" is missing`,
		`{"kind":"step","epoch":1}`:                                `"step" is missing`,
		`{"kind":"batch","epoch":1,"step":1}`:                      `"kind" is "batch", want "epoch" or "step"`,
		`{"kind":7,"epoch":1,"step":1}`:                            `"kind" is 7, want a string`,
		`{"kind":"step","epoch":0,"step":1}`:                       `"epoch" is 0, want at least 1`,
		`{"kind":"step","epoch":1,"step":-1}`:                      `"step" is -1, want a whole number that isn't negative`,
		`{"kind":"step","epoch":1.5,"step":1}`:                     `"epoch" is 1.5, want a whole number that isn't negative`,
		`{"kind":"step","epoch":1,"step":1,"lr":"x"}`:              `"lr" is "x", want a number`,
		`{"kind":"step","epoch":1,"step":1,"lr":{}}`:               `"lr" is {}, want a number`,
		`{"kind":"step","epoch":1,"step":1,"valid_loss":"\u0041"}`: `"valid_loss" is "\u0041", want a number`,
	} {
		var row Row
		assert.ErrorContains(t, json.Unmarshal([]byte(text), &row), want)
	}
}

func TestLogName(t *testing.T) {
	for name, want := range map[string]string{"accuracy": "accuracy", "top-5 accuracy": "top_5_accuracy", "R2": "R2", "Güte %": "Güte__"} {
		assert.Equal(t, want, logName(name))
	}
}
