// Package usage counts what requests have used, in cells of who used what, by the hour and by the
// day, and adds the cells up as they are asked for. It does no I/O.
package usage

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxCounted and maxCost bound what one entry adds: a sum must not overflow, whatever an
	// upstream says. The cost is in pico-dollars: 10,000 US dollars.
	maxCounted = 1_000_000_000
	maxCost    = 10_000 * dollar
	dollar     = 1_000_000_000_000
)

// Tokens are the counts of an input and an output; parts are in their wholes.
type Tokens struct {
	Prompt, Completion                               uint64
	CacheRead, CacheWrite, CacheWriteHour, Reasoning uint64
}

// Count takes in an entry. No part is taken for more than what is left of its whole: some
// upstreams report more from the cache than they were sent.
func (t *Tokens) Count(entry *tokenstorev1.LogEntry) {
	prompt, completion := min(entry.GetPromptTokens(), maxCounted), min(entry.GetCompletionTokens(), maxCounted)
	read := min(entry.GetCacheReadTokens(), prompt)
	write := min(entry.GetCacheWriteTokens(), prompt-read)
	t.Prompt += prompt
	t.CacheRead += read
	t.CacheWrite += write
	t.CacheWriteHour += min(entry.GetCacheWriteHourTokens(), write)
	t.Completion += completion
	t.Reasoning += min(entry.GetReasoningTokens(), completion)
}

// Cost is that of some requests, in pico-dollars. One beyond the largest number is that number,
// some 18 million US dollars.
type Cost struct {
	Requests, Pico uint64
}

func (c *Cost) add(more Cost) {
	c.Requests += more.Requests
	c.Pico = plus(c.Pico, more.Pico)
}

// plus adds; what is beyond the largest number is that number.
func plus(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return sum
}

// Sums are what some requests have used.
type Sums struct {
	Requests, Failures uint64
	Tokens
	// The cost by its quality, and the requests whose cost is not known.
	Reported, Estimated, Partial Cost
	Unpriced                     uint64
}

// Count takes in an entry.
func (s *Sums) Count(entry *tokenstorev1.LogEntry) {
	s.Requests++
	if entry.GetStatus() == "failure" {
		s.Failures++
	}
	s.Tokens.Count(entry)
	cost := Cost{1, min(entry.GetCost(), maxCost)}
	switch entry.GetCostQuality() {
	case "": // nothing was used
	case "reported":
		s.Reported.add(cost)
	case "estimated":
		s.Estimated.add(cost)
	case "partial":
		s.Partial.add(cost)
	default:
		s.Unpriced++
	}
}

// Add takes in other sums.
func (s *Sums) Add(more *Sums) {
	mine, others := s.counts(), more.counts()
	for i, n := range mine {
		*n += *others[i]
	}
	s.Reported.add(more.Reported)
	s.Estimated.add(more.Estimated)
	s.Partial.add(more.Partial)
}

// counts are all but the costs, in the order in which they are stored.
func (s *Sums) counts() [9]*uint64 {
	return [...]*uint64{
		&s.Requests, &s.Failures, &s.Prompt, &s.Completion, &s.CacheRead, &s.CacheWrite, &s.CacheWriteHour, &s.Reasoning, &s.Unpriced,
	}
}

func (s *Sums) costs() [3]*Cost { return [...]*Cost{&s.Reported, &s.Estimated, &s.Partial} }

// text is how sums are stored, and what the store's script adds up: for each cost its requests,
// whole dollars and the pico-dollars beside them, so that all are exact as floating point
// numbers; then the counts.
func (s *Sums) text() string {
	var text []byte
	add := func(n uint64) { text = append(strconv.AppendUint(text, n, 10), ' ') }
	for _, cost := range s.costs() {
		add(cost.Requests)
		add(cost.Pico / dollar)
		add(cost.Pico % dollar)
	}
	for _, n := range s.counts() {
		add(*n)
	}
	return string(text[:len(text)-1])
}

// parse undoes text. It is done for tens of thousands of cells at a time.
func (s *Sums) parse(text string) error {
	var numbers [18]uint64
	rest := text
	for i := range numbers {
		n, length := leadingNumber(rest)
		last := i == len(numbers)-1
		if length == 0 || last != (length == len(rest)) || !last && rest[length] != ' ' {
			return fmt.Errorf("sums of use can't be read: %q", text)
		}
		numbers[i] = n
		if !last {
			rest = rest[length+1:]
		}
	}
	*s = Sums{}
	for i, cost := range s.costs() {
		cost.Requests = numbers[3*i]
		cost.add(Cost{Pico: picoOf(numbers[3*i+1])})
		cost.add(Cost{Pico: numbers[3*i+2]})
	}
	for i, n := range s.counts() {
		*n = numbers[9+i]
	}
	return nil
}

// leadingNumber reads the digits that a text begins with, and returns how many they are; none where
// the number would be too large.
func leadingNumber(text string) (n uint64, length int) {
	for length < len(text) && text[length] >= '0' && text[length] <= '9' {
		if n > (math.MaxUint64-9)/10 {
			return 0, 0
		}
		n = 10*n + uint64(text[length]-'0')
		length++
	}
	return n, length
}

func picoOf(dollars uint64) uint64 {
	high, low := bits.Mul64(dollars, dollar)
	if high != 0 {
		return math.MaxUint64
	}
	return low
}
