// Package memlimit tells the garbage collector how much memory its container has.
//
// Without it the heap may double between two collections and the kernel ends the
// process, although most of the memory is garbage. Near the limit the collector works
// harder instead.
package memlimit

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// share is how much of the container's memory is for the Go runtime, in percent. The
// rest is for what it does not count, and for the kernel's buffers.
const share = 90

// unlimited is more than any machine has: version 1 of control groups writes a huge
// number where there is no limit.
const unlimited = 1 << 50

// limits are where a container sees its own limit: control groups of version 2, then 1.
var limits = []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"}

// Apply sets the limit and returns it, in bytes; 0 where the container has none, or
// GOMEMLIMIT is set. root is the root of the file system, "/".
func Apply(root string) int64 {
	if os.Getenv("GOMEMLIMIT") != "" { // the runtime has read it
		return 0
	}
	for _, name := range limits {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue
		}
		bytes, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil || bytes <= 0 || bytes >= unlimited { // version 2 says "max" for none
			return 0
		}
		limit := bytes / 100 * share
		debug.SetMemoryLimit(limit)
		return limit
	}
	return 0
}
