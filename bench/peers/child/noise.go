package child

import "github.com/steppe-ml/steppe/bench/peers/protocol"

// Noise sets data to numbers from -bound to bound that look random. They depend on the stream and
// their index alone. pytorch/noise.py computes the same numbers.
func Noise(data []float32, stream uint32, bound float64) {
	for i := range data {
		data[i] = float32(bound * (float64(protocol.Mix(stream, i))/(1<<31) - 1))
	}
}

// NoiseLabels sets labels to numbers below classes, as Noise does.
func NoiseLabels(labels []int32, stream uint32, classes int) {
	for i := range labels {
		labels[i] = int32(protocol.Mix(stream, i) % uint32(classes))
	}
}
