package ballast_test

import (
	"runtime"
	"testing"

	"carousel.internal/proto/service/ballast"
)

func TestGarbageGathersWhileTheBallastIsHeld(t *testing.T) {
	const size = 64 << 20
	runtime.GC()
	release := ballast.Hold(size)
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	if stats.HeapAlloc < size || stats.NextGC < 2*size {
		t.Errorf("%d bytes are live, the next collection is at %d", stats.HeapAlloc, stats.NextGC)
	}
	release()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	if stats.HeapAlloc >= size {
		t.Errorf("%d bytes are live after the release", stats.HeapAlloc)
	}
}
