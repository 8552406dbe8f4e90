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

func scaleShift(rows, channels int, dst, x, center, scale, shift *float32, floor float32) {
	m := matrix{rows, channels}
	to, xs, y := m.of(dst), m.of(x), m.affine(center, scale, shift)
	for i, v := range xs {
		to[i] = max(floor, y(i, v))
	}
}

func scaleShiftAdd(rows, channels int, dst, x, center, scale, shift, z *float32, floor float32) {
	m := matrix{rows, channels}
	to, xs, zs, y := m.of(dst), m.of(x), m.of(z), m.affine(center, scale, shift)
	for i, v := range xs {
		to[i] = max(floor, y(i, v)+zs[i])
	}
}

// affine returns the function that makes (x-center)*scale + shift of element i.
func (m matrix) affine(center, scale, shift *float32) func(i int, x float32) float32 {
	cs, as, bs := floats(m.channels, center), floats(m.channels, scale), floats(m.channels, shift)
	return func(i int, x float32) float32 {
		c := i % m.channels
		return float32((x-cs[c])*as[c]) + bs[c]
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

func channelGradSumsAffine(rows, channels int, d, x, center, scale, shift *float32, sumD, sumDX *float64) {
	m := matrix{rows, channels}
	ds, xs, y := m.of(d), m.of(x), m.affine(center, scale, shift)
	m.addTo(sumD, sumDX, func(i, _ int) (float64, float64) {
		v := cut(ds[i], y(i, xs[i]))
		return float64(v), float64(v) * float64(xs[i])
	})
}

func scaleAddShift(rows, channels int, dst, d, x, center, scale, q, r *float32) {
	scaleAddShiftCut(rows, channels, dst, d, x, center, scale, q, r, func(_ int, d, _ float32) float32 { return d })
}

func scaleAddShiftAffine(rows, channels int, dst, d, x, center, scale, shift, q, r *float32) {
	y := matrix{rows, channels}.affine(center, scale, shift)
	scaleAddShiftCut(rows, channels, dst, d, x, center, scale, q, r, func(i int, d, x float32) float32 { return cut(d, y(i, x)) })
}

func scaleAddShiftCut(rows, channels int, dst, d, x, center, scale, q, r *float32, cut func(i int, d, x float32) float32) {
	m := matrix{rows, channels}
	to, ds, xs := m.of(dst), m.of(d), m.of(x)
	cs, as, qs, rs := floats(channels, center), floats(channels, scale), floats(channels, q), floats(channels, r)
	for i, v := range ds {
		c := i % channels
		sum := float32(as[c]*cut(i, v, xs[i])) + rs[c]
		to[i] = sum + float32(qs[c]*(xs[i]-cs[c]))
	}
}

// cut is d, or 0 where y <= 0.
func cut(d, y float32) float32 {
	if y <= 0 {
		return 0
	}
	return d
}
