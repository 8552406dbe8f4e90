package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// enableEscapes has a console interpret escape codes. It reports whether the console can: those
// before Windows 10 can't.
func enableEscapes(file *os.File) bool {
	console := windows.Handle(file.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
