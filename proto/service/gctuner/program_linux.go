package gctuner

import (
	"bufio"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"syscall"
)

// dropProgram forgets which pages of the program's own file are mapped. Most were only needed at
// the start. The kernel keeps the file in its cache: what is needed is mapped again when it is
// touched, for some microseconds each.
func dropProgram() {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil { // not to be seen here; then the pages stay
		return
	}
	defer func() { _ = smaps.Close() }()
	for _, each := range unwritten(smaps, reflect.ValueOf(dropProgram).Pointer()) {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, each.start, each.end-each.start, syscall.MADV_DONTNEED) // advice
	}
}

// mapping is a range of addresses with a file behind it.
type mapping struct {
	start, end uintptr
	file       string // device and inode
	readOnly   bool
	written    bool // has pages that are not the file's any more
}

// unwritten returns the mappings that have the same file as an address has and are what that file
// says: what was written to, as by the linker of the system, could not be read again.
func unwritten(smaps io.Reader, address uintptr) []mapping {
	var all []mapping
	file := ""
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if next, ok := parseMapping(fields); ok {
			all = append(all, next)
			if next.start <= address && address < next.end {
				file = next.file
			}
		} else if len(all) > 0 && len(fields) > 1 && fields[0] == "Anonymous:" {
			all[len(all)-1].written = fields[1] != "0"
		}
	}
	var found []mapping
	for _, each := range all {
		if each.file == file && each.readOnly && !each.written {
			found = append(found, each)
		}
	}
	return found
}

// parseMapping reads "start-end permissions offset device inode path". The lines that say more
// of a mapping begin with a word and a colon.
func parseMapping(fields []string) (mapping, bool) {
	if len(fields) < 6 {
		return mapping{}, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	start, err := strconv.ParseUint(from, 16, strconv.IntSize)
	if err != nil {
		return mapping{}, false
	}
	end, err := strconv.ParseUint(to, 16, strconv.IntSize)
	if err != nil {
		return mapping{}, false
	}
	return mapping{
		start: uintptr(start), end: uintptr(end), file: fields[3] + " " + fields[4],
		readOnly: strings.HasPrefix(fields[1], "r") && !strings.Contains(fields[1], "w"),
		// Until it is known.
		written: true,
	}, true
}
