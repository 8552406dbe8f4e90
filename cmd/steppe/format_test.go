package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFormat(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 60000: "60,000", 1234567: "1,234,567"} {
		assert.Equal(t, want, count(n))
	}
	for x, want := range map[float64]string{
		0: "0.00", 0.01234: "0.0123", 0.5: "0.500", 1: "1.00", 9.87: "9.87", 9.996: "10.0", 1000: "1000", 12.34: "12.3", 123.4: "123", 1234: "1234",
	} {
		assert.Equal(t, want, significant(x))
	}
	for x, want := range map[float64]string{12.3: "12.3", 999: "999", 999.9: "1.00k", 8614: "8.61k", 78123: "78.1k", 999400: "999k", 999900: "1.00M", 2.5e6: "2.50M"} {
		assert.Equal(t, want, rate(x))
	}
	for n, want := range map[int]string{12: "12 B", 1 << 10: "1 KiB", 1536: "1.50 KiB", 32 << 20: "32 MiB", 1023 << 10: "1023 KiB", 1<<20 - 1: "1.00 MiB", 5898280: "5.63 MiB"} {
		assert.Equal(t, want, memory(n))
	}
	assert.Equal(t, "1 round", plural(1, "round"))
	assert.Equal(t, "1,000 rounds", plural(1000, "round"))
	assert.Equal(t, "0 epochs", plural(0, "epoch"))
	assert.Equal(t, "Some CPU @ 2 GHz", oneLine("  Some CPU   @ 2 GHz "))
}

func TestWrap(t *testing.T) {
	assert.Equal(t, "one two\nthree", wrap("one two three", 8))
	assert.Equal(t, "one", wrap("one", 8))
	assert.Equal(t, "", wrap("", 8))
}
