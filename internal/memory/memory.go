// Package memory says how much memory a program can take.
package memory

// Available returns how many bytes of memory the program can take without the system swapping or
// ending it; 0 if nobody knows. On Linux it counts what caches can give back, and the limits of
// control groups, as containers and batch systems set them, and of the process. On macOS and the
// BSDs, which don't say what is free, it is all memory that the machine has.
func Available() uint64 { return available() }
