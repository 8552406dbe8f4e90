package simd

import "unsafe"

// The reference of the kernels on rows of channels.

// matrix is rows of channels, as the kernels are given them: by pointers.
type matrix struct{ rows, channels int }

func (m matrix) of(p *float32) []float32 { return unsafe.Slice(p, m.rows*m.channels) }

func floats(n int, p *float32) []float32 { return unsafe.Slice(p, n) }

// addTo adds up two terms of each element, by channel.
func (m matrix) addTo(sum, other *float64, terms func(i, channel int) (a, b float64)) {
	first, second := unsafe.Slice(sum, m.channels), unsafe.Slice(other, m.channels)
	for i := range m.rows * m.channels {
		a, b := terms(i, i%m.channels)
		first[i%m.channels] += a
		second[i%m.channels] += b
	}
}

func channelSums(rows, channels int, x *float32, sum, squares *float64) {
	m := matrix{rows, channels}
	xs := m.of(x)
	m.addTo(sum, squares, func(i, _ int) (float64, float64) {
		v := float64(xs[i])
		return v, v * v // which is exact
	})
}

func scaleShift(rows, channels int, dst, x, scale, shift *float32, floor float32) {
	m := matrix{rows, channels}
	to, xs, a, b := m.of(dst), m.of(x), floats(channels, scale), floats(channels, shift)
	for i, v := range xs {
		c := i % channels
		to[i] = max(floor, float32(v*a[c])+b[c])
	}
}

func scaleShiftAdd(rows, channels int, dst, x, scale, shift, z *float32, floor float32) {
	m := matrix{rows, channels}
	to, xs, zs, a, b := m.of(dst), m.of(x), m.of(z), floats(channels, scale), floats(channels, shift)
	for i, v := range xs {
		c := i % channels
		to[i] = max(floor, float32(v*a[c])+b[c]+zs[i])
	}
}

func channelGradSums(rows, channels int, d, x *float32, sumD, sumDX *float64) {
	m := matrix{rows, channels}
	ds, xs := m.of(d), m.of(x)
	m.addTo(sumD, sumDX, func(i, _ int) (float64, float64) {
		return float64(ds[i]), float64(ds[i]) * float64(xs[i])
	})
}

func channelGradSumsOutput(rows, channels int, dst, d, x, y *float32, sumD, sumDX *float64) {
	m := matrix{rows, channels}
	to, ds := m.of(dst), m.of(d)
	for i, v := range m.of(y) {
		to[i] = ds[i]
		if v <= 0 {
			to[i] = 0
		}
	}
	channelGradSums(rows, channels, dst, x, sumD, sumDX)
}

func channelGradSumsAffine(rows, channels int, d, x, scale, shift *float32, sumD, sumDX *float64) {
	m := matrix{rows, channels}
	ds, xs, a, b := m.of(d), m.of(x), floats(channels, scale), floats(channels, shift)
	m.addTo(sumD, sumDX, func(i, c int) (float64, float64) {
		v := cutAffine(ds[i], xs[i], a[c], b[c])
		return float64(v), float64(v) * float64(xs[i])
	})
}

func scaleAddShift(rows, channels int, dst, d, x, p, q, r *float32) {
	m := matrix{rows, channels}
	to, ds, xs := m.of(dst), m.of(d), m.of(x)
	ps, qs, rs := floats(channels, p), floats(channels, q), floats(channels, r)
	for i, v := range ds {
		c := i % channels
		to[i] = float32(ps[c]*v) + (float32(qs[c]*xs[i]) + rs[c])
	}
}

func scaleAddShiftAffine(rows, channels int, dst, d, x, p, q, r, scale, shift *float32) {
	m := matrix{rows, channels}
	to, ds, xs := m.of(dst), m.of(d), m.of(x)
	ps, qs, rs, a, b := floats(channels, p), floats(channels, q), floats(channels, r), floats(channels, scale), floats(channels, shift)
	for i, v := range ds {
		c := i % channels
		v = cutAffine(v, xs[i], a[c], b[c])
		to[i] = float32(ps[c]*v) + (float32(qs[c]*xs[i]) + rs[c])
	}
}

// cutAffine is d, or 0 where x*scale + shift <= 0.
func cutAffine(d, x, scale, shift float32) float32 {
	if float32(x*scale)+shift <= 0 {
		return 0
	}
	return d
}
