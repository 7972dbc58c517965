package memlimit_test

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"carousel.internal/proto/service/memlimit"
)

func TestApply(t *testing.T) {
	for name, c := range map[string]struct {
		file, content, env string
		want               int64
	}{
		"version 2":             {"sys/fs/cgroup/memory.max", "1000000000\n", "", 900_000_000},
		"version 2, no limit":   {"sys/fs/cgroup/memory.max", "max\n", "", 0},
		"version 1":             {"sys/fs/cgroup/memory/memory.limit_in_bytes", "500000000\n", "", 450_000_000},
		"version 1, no limit":   {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n", "", 0},
		"no container":          {"etc/hostname", "x", "", 0},
		"GOMEMLIMIT has a word": {"sys/fs/cgroup/memory.max", "1000000000\n", "100MiB", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOMEMLIMIT", c.env)
			before := debug.SetMemoryLimit(-1)
			defer debug.SetMemoryLimit(before)
			debug.SetMemoryLimit(math.MaxInt64)
			path := filepath.Join(t.TempDir(), c.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			root := path[:len(path)-len(c.file)]
			got := memlimit.Apply(root)
			in := debug.SetMemoryLimit(-1)
			if got != c.want || c.want > 0 && in != c.want || c.want == 0 && in != math.MaxInt64 {
				t.Errorf("it is %d, the runtime has %d, want %d", got, in, c.want)
			}
		})
	}
}
