// Package cases holds inputs from the field that the pair must take, one test a case.
// The files of testdata are what an upstream answers, what a client sends, or what an
// admin puts in.
package cases

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"carousel.internal/deploy/e2e/stack"
)

// holds has the test of each case by the case's name. The files beside this one fill it.
var holds = map[string]func(t *testing.T){}

// pair is what the cases share: one gateway, one tokenstore. A case that changes more
// than its own upstream starts a stack of its own.
var pair *stack.Stack

func TestMain(m *testing.M) { stack.Main(m) }

// TestCases runs every case. Its output, with -v, is the table of what holds.
func TestCases(t *testing.T) {
	pair = stack.Start(t, stack.Options{GatewayEnv: []string{"STREAM_HEARTBEAT=" + heartbeat.String()}})
	for _, name := range slices.Sorted(maps.Keys(holds)) {
		t.Run(name, holds[name])
	}
}

// TestNoCaseIsMissing: the cases are numbered, so that none is lost with its file.
func TestNoCaseIsMissing(t *testing.T) {
	var all []string
	for kind, count := range map[string]int{"a": 8, "h": 6, "q": 2, "s": 22, "t": 2} {
		for n := range count {
			all = append(all, fmt.Sprintf("%s%02d", kind, n+1))
		}
	}
	slices.Sort(all)
	if got := slices.Sorted(maps.Keys(holds)); !slices.Equal(got, all) {
		t.Errorf("there are tests of %v, want %v", got, all)
	}
}

// input is a file of testdata.
func input(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}
