// Package traps lists the mistakes that gateways between these APIs make, and which tests
// hold Carousel clear of each. Its rows are data: a test sees to it that every test they
// name is there, and docs/traps.md is made of them.
package traps

// Trap is a mistake that others have made.
type Trap struct {
	// Number is what tests call it.
	Number int
	// Mistake is what goes wrong, Right what is right.
	Mistake, Right string
	// Held are the tests that fail when it is made here.
	Held []Test
}

// Test is a test of this repository.
type Test struct {
	// Package is its folder, as seen from the root.
	Package string
	// Func is its function.
	Func string
	// Case is the name of one of its cases; empty: all of it.
	Case string
}

// Group is a part of the APIs, with its traps.
type Group struct {
	Name  string
	Traps []Trap
}

// Groups are all groups, by number.
var Groups = []Group{
	{Name: "Writing Messages answers", Traps: answers},
	{Name: "Reasoning", Traps: reasoning},
	{Name: "Reading Messages requests", Traps: requests},
	{Name: "Responses", Traps: responses},
	{Name: "Chat", Traps: chat},
	{Name: "Side endpoints", Traps: side},
}

// The packages whose tests hold traps.
const (
	cases     = "deploy/cases"
	codex     = "deploy/e2e/codex"
	e2e       = "deploy/e2e"
	pairs     = "deploy/e2e/pairs"
	carried   = "gateway/internal/carried"
	messages  = "gateway/internal/dialect/anthropic"
	chats     = "gateway/internal/dialect/openai"
	answered  = "gateway/internal/dialect/responses"
	judges    = "gateway/grammar"
	http      = "gateway/internal/httpapi"
	relay     = "gateway/internal/relay"
	names     = "gateway/internal/upstream"
	anthropic = "gateway/internal/upstream/anthropic"
	openai    = "gateway/internal/upstream/openai"
)

// of are several cases of one test.
func of(folder, function string, names ...string) []Test {
	tests := make([]Test, len(names))
	for i, name := range names {
		tests[i] = Test{folder, function, name}
	}
	return tests
}

// all are tests of which every case counts.
func all(folder string, functions ...string) []Test {
	tests := make([]Test, len(functions))
	for i, function := range functions {
		tests[i] = Test{Package: folder, Func: function}
	}
	return tests
}

func held(by ...[]Test) (tests []Test) {
	for _, each := range by {
		tests = append(tests, each...)
	}
	return tests
}
