package protocol

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMessagesArriveAsSent(t *testing.T) {
	job := Job{Float32, Work{Product: &Shape{784, 512, 256, true, false}}, 2, 100 * time.Millisecond}
	reply := Reply{Seconds: 1.5e-6, Windows: 50, Disturbed: 3}
	var wire bytes.Buffer
	require.NoError(t, Write(&wire, job))
	require.NoError(t, Write(&wire, reply))
	assert.Equal(t, 2, strings.Count(wire.String(), "\n"), "one line each")
	assert.Equal(t, `{"dtype":"f32","product":{"m":784,"n":512,"k":256,"tA":true},"workers":2,"budget":100000000}`, strings.Split(wire.String(), "\n")[0])

	r := bufio.NewReader(&wire)
	var gotJob Job
	var gotReply Reply
	require.NoError(t, Read(r, &gotJob))
	require.NoError(t, Read(r, &gotReply))
	assert.Equal(t, job, gotJob)
	assert.Equal(t, reply, gotReply)
	assert.Equal(t, io.EOF, Read(r, &gotReply))
}

func TestReadRefusesWhatIsNoMessage(t *testing.T) {
	for line, want := range map[string]string{
		"hello from a library\n":          "hello from a library",
		`{"seconds":1,"second":2}` + "\n": "second",
		`{"seconds":`:                     "ends within",
	} {
		var reply Reply
		assert.ErrorContains(t, Read(bufio.NewReader(strings.NewReader(line)), &reply), want)
	}
}

func TestJobsAreChecked(t *testing.T) {
	good := Job{Float32, product(1, 2, 3), 1, time.Millisecond}
	require.NoError(t, good.Validate())
	double := good
	double.Dtype = Float64
	require.NoError(t, double.Validate())
	for want, spoil := range map[string]func(*Job){
		"dtype":     func(j *Job) { j.Dtype = "f16" },
		"1x0x3":     func(j *Job) { j.Work = product(1, 0, 3) },
		"1x2097152": func(j *Job) { j.Work = product(1, 1<<21, 3) },
		"want one":  func(j *Job) { j.Step = &Step{} },
		"only products": func(j *Job) {
			j.Dtype, j.Work = Float64, Work{Convolution: &Convolution{}}
		},
		"0 workers": func(j *Job) { j.Workers = 0 },
		"budget":    func(j *Job) { j.Budget = 0 },
	} {
		bad := good
		spoil(&bad)
		assert.ErrorContains(t, bad.Validate(), want)
	}
}

func TestParseShapes(t *testing.T) {
	all, err := ParseList("1x784x512, 784 x 512 x 256 tA,256x784x512tB,7x8x9tAtB")
	require.NoError(t, err)
	assert.Equal(t, []Work{
		product(1, 784, 512),
		{Product: &Shape{784, 512, 256, true, false}},
		{Product: &Shape{256, 784, 512, false, true}},
		{Product: &Shape{7, 8, 9, true, true}},
	}, all)
	for _, w := range all {
		again, err := ParseShape(w.String())
		require.NoError(t, err)
		assert.Equal(t, *w.Product, again)
	}
	for _, bad := range []string{"", "1x2", "1x2x3x4", "0x1x1", "-1x2x3", "1x2x3tC", "1x2x3,", "99999999999999999999x1x1"} {
		_, err := ParseList(bad)
		assert.ErrorContains(t, err, "shape", bad)
	}
}

func TestSquare(t *testing.T) {
	assert.True(t, Shape{M: 5, N: 5, K: 5}.Square())
	assert.False(t, Shape{M: 5, N: 5, K: 5, TransA: true}.Square())
	assert.False(t, Shape{M: 5, N: 5, K: 6}.Square())
	assert.EqualValues(t, 240, Shape{M: 4, N: 5, K: 6}.Flops())
}
