package traps

import (
	"fmt"
	"strings"
)

const head = `<!-- Made by "make generate" of the rows in deploy/traps, which a test checks against the tests that they name. -->
# Traps

What gateways between Chat (OpenAI's Chat Completions), Messages (Anthropic's), Responses (OpenAI's) and the endpoints beside them get wrong, what is right, and which tests hold it here. The names of tests use the numbers.
`

// Document is docs/traps.md.
func Document() []byte {
	var doc strings.Builder
	doc.WriteString(head)
	for _, group := range Groups {
		fmt.Fprintf(&doc, "\n## %s\n\n| | trap | right | tests |\n|---|---|---|---|\n", group.Name)
		for _, trap := range group.Traps {
			fmt.Fprintf(&doc, "| %d | %s | %s | %s |\n", trap.Number, trap.Mistake, trap.Right, testsOf(trap))
		}
	}
	return []byte(doc.String())
}

// testsOf lists a trap's tests, those of one function as one.
func testsOf(trap Trap) string {
	var text strings.Builder
	for i, test := range trap.Held {
		before := Test{}
		if i > 0 {
			before = trap.Held[i-1]
		}
		switch {
		case test.Package == before.Package && test.Func == before.Func:
			fmt.Fprintf(&text, "; %s", test.Case)
			continue
		case i > 0:
			text.WriteString("<br>")
		}
		fmt.Fprintf(&text, "%s `%s`", strings.TrimPrefix(test.Package, "gateway/internal/"), test.Func)
		if test.Case != "" {
			fmt.Fprintf(&text, ": %s", test.Case)
		}
	}
	return text.String()
}
