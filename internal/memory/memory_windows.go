package memory

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// statusEx is MEMORYSTATUSEX of the Windows API.
type statusEx struct {
	length, load                              uint32
	totalPhys, availPhys                      uint64
	totalPageFile, availPageFile              uint64
	totalVirtual, availVirtual, availExtended uint64
}

var globalMemoryStatusEx = windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")

func available() uint64 {
	if globalMemoryStatusEx.Find() != nil {
		return 0
	}
	var s statusEx
	s.length = uint32(unsafe.Sizeof(s))
	if ok, _, _ := globalMemoryStatusEx.Call(uintptr(unsafe.Pointer(&s))); ok == 0 {
		return 0
	}
	return min(s.availPhys, s.availPageFile) // what can be committed, too
}
