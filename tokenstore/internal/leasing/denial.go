package leasing

import "time"

const (
	// recheck is how long a denial stands at most: leases whose replica has died
	// expire without a word.
	recheck = time.Second
	// maxDenials bounds the kinds of demands of which the last denial is known.
	maxDenials = 1000
)

// denial is that nothing was left for a kind of demands. It stands until a token may
// have become free: nothing is gained by asking again before.
type denial struct {
	// Answer has no refusal where something was left, for some of the demands.
	Answer
	at    time.Time
	until time.Time
	// freed is the queue's count when the store was asked.
	freed uint64
}

// asOfNow is the refusal as the store would word it now, had nothing happened since.
func (last denial) asOfNow(demand Demand) Answer {
	if last.Shortage == (Shortage{}) { // it failed, or has no token at all
		return last.Answer
	}
	shortage := last.Shortage.aged(time.Since(last.at))
	return Answer{Refused: refusal(demand, shortage), Shortage: shortage}
}

// deny takes down that nothing was left when the queue's count was freed.
func (d *Desk) deny(q *queue, w *waiter, answer Answer, freed uint64) {
	now := time.Now()
	last := denial{Answer: answer, at: now, until: now.Add(recheck), freed: freed}
	switch {
	case answer.Refused == nil: // what is short is not known
		last.until = now.Add(tick)
	case answer.Shortage.Total == 0: // the store failed, or somebody is about to add a token
		last.until = now
	case answer.Shortage.Soonest > 0:
		last.until = now.Add(min(answer.Shortage.Soonest, recheck))
	}
	if settled := d.settledAt(w.demand.Upstream); now.Before(settled) && settled.Before(last.until) {
		last.until = settled
	}
	if len(q.denials) >= maxDenials {
		clear(q.denials)
	}
	q.denials[w.kind] = last
	if len(w.demand.Exclude) == 0 {
		q.denials[widest(w.demand)] = last
	}
}

// denied returns the last denial of the waiter's kind, and whether it stands: the kind
// has been asked for already, or asking again is of no use. freed is the queue's count when
// its turns began: what is freed in between is for those in front, in the next round.
func (d *Desk) denied(q *queue, w *waiter, freed uint64, asked bool) (last denial, stands bool) {
	last, known := q.denials[w.kind]
	if !known {
		return last, false
	}
	if asked {
		return last, true
	}
	wide, now := q.denials[widest(w.demand)], time.Now()
	return last, last.freed >= freed && now.Before(last.until) || wide.freed >= freed && now.Before(wide.until)
}

// widest is a kind that gets something whenever the demand would: what a demand excludes
// makes no more tokens eligible.
func widest(demand Demand) string {
	demand.Exclude = nil
	return "\x00" + kindOf(demand)
}

func (d *Desk) freedSoFar(q *queue) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return q.freed
}
