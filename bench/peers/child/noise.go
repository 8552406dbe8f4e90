package child

// Noise sets data to numbers from -bound to bound that look random. They depend on the stream and
// their index alone. pytorch/noise.py computes the same numbers.
func Noise(data []float32, stream uint32, bound float64) {
	for i := range data {
		data[i] = float32(bound * (float64(mix(stream, i))/(1<<31) - 1))
	}
}

// NoiseLabels sets labels to numbers below classes, as Noise does.
func NoiseLabels(labels []int32, stream uint32, classes int) {
	for i := range labels {
		labels[i] = int32(mix(stream, i) % uint32(classes))
	}
}

// mix hashes a place by lowbias32 (C. Wellons, "Prospecting for hash functions", 2018).
func mix(stream uint32, place int) uint32 {
	x := uint32(place) ^ stream*0x9e3779b9
	x ^= x >> 16
	x *= 0x7feb352d
	x ^= x >> 15
	x *= 0x846ca68b
	return x ^ x>>16
}
