//go:build race

package app

// underRace tells whether the race detector is at work: it has pools forget some of what they keep.
const underRace = true
