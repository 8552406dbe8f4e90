package memory

import "os"

func available() uint64 { return availableIn(os.DirFS("/")) }
