package gctuner

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const smapsExample = `00400000-01126000 r-xp 00000000 08:01 1234 /usr/local/bin/gate way
Size:              13464 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01126000-02b7e000 r--p 00d26000 08:01 1234 /usr/local/bin/gate way
Rss:               13728 kB
Anonymous:             0 kB
02b7e000-02c00000 r--p 0277e000 08:01 1234 /usr/local/bin/gate way
Anonymous:             8 kB
02c00000-02c35000 rw-p 0277e000 08:01 1234 /usr/local/bin/gate way
Anonymous:             0 kB
02c35000-04c85000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f61bf7ab000-7f61bf7d1000 r--p 00000000 08:01 77 /usr/lib/libc.so.6
Anonymous:             0 kB
7f61bf7d1000-7f61bf7d2000 r--p 00000000 08:01 1234 /usr/local/bin/gate way
`

func TestWhatCanBeReadAgainFromTheFile(t *testing.T) {
	for address, want := range map[uintptr][]uintptr{
		0x400000:       {0x400000, 0x1126000}, // not what is written to, or may be, or does not say
		0x1125fff:      {0x400000, 0x1126000},
		0x7f61bf7ab000: {0x7f61bf7ab000},
		0x10:           nil,
	} {
		var starts []uintptr
		for _, each := range unwritten(strings.NewReader(smapsExample), address) {
			starts = append(starts, each.start)
		}
		if len(starts) != len(want) || len(want) > 0 && starts[0] != want[0] || len(want) > 1 && starts[1] != want[1] {
			t.Errorf("the file at %#x: %#x, want %#x", address, starts, want)
		}
	}
	for _, bad := range []string{"", "x", "zz-1 r--p 0 08:01 1 x", "1-zz r--p 0 08:01 1 x", "Anonymous: 0 kB"} {
		if found := unwritten(strings.NewReader(bad), 0); found != nil {
			t.Errorf("%q: %v", bad, found)
		}
	}
}

func TestThisProgramsCodeCanBeReadAgain(t *testing.T) {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = smaps.Close() }()
	code := reflect.ValueOf(dropProgram).Pointer()
	if !slices.ContainsFunc(unwritten(smaps, code), func(m mapping) bool { return m.start <= code && code < m.end }) {
		t.Error("the code is not among it")
	}
	dropProgram() // and this goes on
}
