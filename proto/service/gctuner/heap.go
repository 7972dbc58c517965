package gctuner

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// goHeap is the heap of this process.
type goHeap struct{}

func (goHeap) live() uint64      { return read("/gc/heap/live:bytes") }
func (goHeap) allocated() uint64 { return read("/gc/heap/allocs:bytes") }

func (goHeap) setPercent(percent int) int { return debug.SetGCPercent(percent) }

// release collects twice: what pools hold survives a first collection.
func (goHeap) release() {
	runtime.GC()
	debug.FreeOSMemory()
	dropProgram()
}

func read(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0 // a runtime that does not know it
	}
	return sample[0].Value.Uint64()
}
