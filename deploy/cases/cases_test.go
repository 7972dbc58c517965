// Package cases holds inputs from the field that a gateway must take, one test a case.
package cases

import (
	"maps"
	"slices"
	"testing"
)

// holds has the test of each case by the case's name. The files beside this one fill it.
var holds = map[string]func(t *testing.T){}

// TestCases runs every case. Its output, with -v, is the table of what holds.
func TestCases(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(holds)) {
		t.Run(name, holds[name])
	}
}
