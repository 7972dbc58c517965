package rotation

// Slack is how far, in virtual time, a token may lag behind the clock and still catch up,
// and how far ahead of it picks by name or by key may put one.
const Slack = 16

// Later is the rule by which a pick counts in a token's share: the virtual times at which
// the token is due next, and of the clock then. due: the token was picked because it was due
// first. Picks by name or by key count up to a bound, so that those that want any token
// don't wait for all of them, and leave the clock alone.
func Later(picked Candidate, clock float64, due bool) (score, then float64) {
	score = max(picked.Score, clock-Slack)
	later := score + 1/float64(max(picked.Weight, 1))
	if due {
		return later, max(clock, score)
	}
	return min(later, max(score, clock+Slack)), clock
}
