package dataset

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/net"
)

// augmentFunc is a function as an Augmentation.
type augmentFunc func(sample []float32)

func (augmentFunc) Validate(net.Shape) error { return nil }

func (f augmentFunc) Apply(sample []float32, _ net.Shape, _ *Random) { f(sample) }

// The panic of an augmentation reaches the goroutine of the loop, after the batches before it.
func TestLoaderPanicsWithTheAugmentation(t *testing.T) {
	cause := errors.New("cause")
	for name, test := range map[string]struct {
		fail func()
		want any
	}{
		"an error": {func() { panic(cause) }, cause},
		"a number": {func() { panic(7) }, 7},
		"Goexit":   {runtime.Goexit, "dataset: an augmentation ended its goroutine by runtime.Goexit"},
	} {
		for _, sample := range []int{0, 9, 39} {
			calls, batches := 0, 0
			loader := Loader{Set: marked(net.Shape{2}, 40), Batch: 8, Augment: []Augmentation{augmentFunc(func([]float32) {
				if calls++; calls == sample+1 {
					test.fail()
				}
			})}}
			got := func() (value any) {
				defer func() { value = recover() }()
				for range loader.Epoch(0) {
					batches++
				}
				return nil
			}()
			assert.Equal(t, test.want, got, "%s at sample %d", name, sample)
			assert.Equal(t, sample/8, batches, "%s at sample %d", name, sample)
		}
	}
}

// A loop that ends before the batch whose augmentation panics doesn't meet the panic.
func TestLoaderDropsPanicsOfUnusedBatches(t *testing.T) {
	calls := 0
	loader := Loader{Set: marked(net.Shape{2}, 40), Batch: 8, Augment: []Augmentation{augmentFunc(func([]float32) {
		if calls++; calls > 8 {
			panic("an unused batch")
		}
	})}}
	assert.NotPanics(t, func() {
		for range loader.Epoch(0) {
			break
		}
	})
	calls = 0
	assert.PanicsWithValue(t, "the loop's own", func() {
		for range loader.Epoch(0) {
			panic("the loop's own")
		}
	})
}
