package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Process asks the operating system what this process uses. It is zero where
// the system does not tell.
type Process struct{ registry *prometheus.Registry }

// NewProcess makes the asker; it holds nothing open.
func NewProcess() Process {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return Process{registry}
}

// Usage answers the resident memory in bytes and the CPU time used since the
// process's start in seconds.
func (p Process) Usage() (residentBytes, cpuSeconds float64) {
	families, err := p.registry.Gather()
	if err != nil {
		return 0, 0
	}
	for _, family := range families {
		switch family.GetName() {
		case "process_resident_memory_bytes":
			residentBytes = family.GetMetric()[0].GetGauge().GetValue()
		case "process_cpu_seconds_total":
			cpuSeconds = family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return residentBytes, cpuSeconds
}
