package simd

import "math"

// The reference of layer normalization. It computes in float64 and rounds at the end.

// keptRow is what layerNorm keeps of a row.
type keptRow struct{ center, inverse, offset float64 }

func keptRows(rows int, kept *float32) func(row int) keptRow {
	all := floats(NormalizeRowsKept*rows, kept)
	return func(row int) keptRow {
		k := all[NormalizeRowsKept*row:]
		return keptRow{float64(k[0]), float64(k[1]), float64(k[2])}
	}
}

// normal returns the normalized x.
func (k keptRow) normal(x float32) float64 {
	return float64((float64(x)-k.center)*k.inverse) + k.offset
}

func layerNorm(rows, channels, _ int, dst, x, scale, shift, kept *float32, _, epsilon float32) {
	m, n := matrix{rows, channels}, float64(channels)
	to, xs, as, bs, all := m.of(dst), m.of(x), floats(channels, scale), floats(channels, shift), floats(NormalizeRowsKept*rows, kept)
	for row := range rows {
		v, y := xs[row*channels:][:channels], to[row*channels:][:channels]
		sum, squares := 0.0, 0.0
		for _, e := range v {
			sum += float64(e)
		}
		mean := sum / n
		for _, e := range v {
			d := float64(e) - mean
			squares += float64(d * d)
		}
		inverse := 1 / math.Sqrt(squares/n+float64(epsilon))
		center := float32(mean)
		copy(all[NormalizeRowsKept*row:], []float32{center, float32(inverse), float32((float64(center) - mean) * inverse)})
		for i, e := range v {
			y[i] = float32(float64(as[i])*float64((float64(e)-mean)*inverse)) + bs[i]
		}
	}
}

func layerNormBackward(rows, channels, _ int, dst, d, x, scale, kept *float32, _ float32) {
	m, n, keptOf := matrix{rows, channels}, float64(channels), keptRows(rows, kept)
	to, ds, xs, as := m.of(dst), m.of(d), m.of(x), floats(channels, scale)
	for row := range rows {
		k, at := keptOf(row), row*channels
		var sum, weighted float64
		for i, a := range as {
			e := float64(a) * float64(ds[at+i])
			sum += e
			weighted += float64(e * k.normal(xs[at+i]))
		}
		sum, weighted = sum/n, weighted/n
		for i, a := range as {
			e := float64(a) * float64(ds[at+i])
			to[at+i] = float32(k.inverse * (e - sum - float64(k.normal(xs[at+i])*weighted)))
		}
	}
}

func layerNormSums(rows, channels int, d, x, kept *float32, sumD, sumDZ *float64) {
	m, keptOf := matrix{rows, channels}, keptRows(rows, kept)
	ds, xs := m.of(d), m.of(x)
	m.addTo(sumD, sumDZ, func(i, _ int) (float64, float64) {
		v := float64(ds[i])
		return v, float64(v * keptOf(i/channels).normal(xs[i]))
	})
}
