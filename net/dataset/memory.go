package dataset

import (
	"math"

	mem "github.com/steppe-ml/steppe/internal/memory"
)

// availableMemory returns the bytes that there are to take, 0 if that is unknown. Tests change it.
var availableMemory = func() int64 { return int64(min(mem.Available(), math.MaxInt64)) }
