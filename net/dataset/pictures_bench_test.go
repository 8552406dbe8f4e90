package dataset

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkPictures loads PNG files of 64x64, and decodes the same files and nothing else, on as
// many goroutines as there are cores. Loading may hardly cost more.
func BenchmarkPictures(b *testing.B) {
	const files, classes, side = 10000, 10, 64
	dir := b.TempDir()
	var paths []string
	random := NewRandom(1, 1)
	for i := range files {
		m := image.NewNRGBA(image.Rect(0, 0, side, side))
		for at := range m.Pix {
			x, y := at/4%side, at/4/side
			m.Pix[at] = uint8(3*x + 2*y*(at%4) + random.Below(16))
			if at%4 == 3 {
				m.Pix[at] = 255
			}
		}
		path := filepath.Join(dir, fmt.Sprint(i%classes), fmt.Sprintf("%05d.png", i))
		require.NoError(b, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(b, os.WriteFile(path, encoded(b, ".png", m), 0o666))
		paths = append(paths, path)
	}
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			var next atomic.Int64
			var workers sync.WaitGroup
			for range runtime.GOMAXPROCS(0) {
				workers.Go(func() {
					for i := next.Add(1) - 1; i < files; i = next.Add(1) - 1 {
						content, err := os.ReadFile(paths[i])
						if err == nil {
							_, err = png.Decode(bytes.NewReader(content))
						}
						if err != nil {
							panic(err)
						}
					}
				})
			}
			workers.Wait()
		}
		b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s")
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			_, _, err := Options{Stream: StreamNever}.Open(dir)
			require.NoError(b, err)
		}
		b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s")
	})
}
