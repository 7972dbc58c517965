package ondemand

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression that is compiled when it is first matched. Those that judge
// failures are many, each takes as much time and memory as a whole request, and most are never
// needed.
type Pattern struct{ compiled func() *regexp.Regexp }

// Regexp returns a pattern. Using one that is wrong panics, as regexp.MustCompile does.
func Regexp(expression string) *Pattern {
	return &Pattern{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
}

// Get returns the expression.
func (p *Pattern) Get() *regexp.Regexp { return p.compiled() }

// MatchString tells whether the text has a match.
func (p *Pattern) MatchString(text string) bool { return p.compiled().MatchString(text) }
