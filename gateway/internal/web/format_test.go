package web

import (
	"testing"
	"time"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		number[uint64](0): "0", number[uint64](999): "999", number[uint64](1234567): "1,234,567", number[uint32](1000): "1,000",
		compact(0): "0", compact(999): "999", compact(1234): "1.23k", compact(1234567): "1.23M", compact(2e9): "2G",
		seconds(340 * time.Microsecond): "0.34 ms", seconds(1240 * time.Millisecond): "1.24 s", seconds(125 * time.Second): "2 min 5 s",
		percent(0, 0): "–", percent(0, 5): "0 %", percent(5, 5): "100 %", percent(1, 1000000): "< 0.01 %", percent(999999, 1000000): "> 99.9 %",
		percent(1, 8): "12.5 %", duration(nil): "–",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
