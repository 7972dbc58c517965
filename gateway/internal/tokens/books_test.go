package tokens

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/money"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// tape is the way between the books of one process and a store, whose messages can be lost, or
// come late.
type tape struct {
	books *books
	key   *fakeKey
	// on has the messages that are on their way, late those of sessions that have ended.
	on, late []taped
	nextID   uint64
	// waiting are the charges that have been asked for, by demand.
	waiting map[uint64]*lease.Charge
	held    []*lease.Charge
	// spent is what requests have paid.
	spent amounts
	now   time.Time
}

type taped struct {
	statements []*tokenstorev1.KeyStatement
	demands    []*tokenstorev1.Demand
}

func (p *tape) ask(charge *lease.Charge) {
	if p.books.charge(charge) {
		charge.Held = true
		p.held = append(p.held, charge)
		return
	}
	p.nextID++
	p.waiting[p.nextID] = charge
}

// say has the books say what they have to say, with all that has not been asked for.
func (p *tape) say(again bool) {
	var message taped
	for id, charge := range p.waiting {
		if !again && p.isAsked(id) {
			continue
		}
		message.demands = append(message.demands, &tokenstorev1.Demand{
			Id: id, Charge: &tokenstorev1.Charge{KeyId: charge.KeyID, Most: amountsOf(charge.Most).onWire()},
		})
	}
	message.statements = p.books.say(p.now, message.demands)
	if len(message.statements) > 0 {
		p.on = append(p.on, message)
	}
}

func (p *tape) isAsked(id uint64) bool {
	for _, message := range p.on {
		for _, demand := range message.demands {
			if demand.GetId() == id {
				return true
			}
		}
	}
	return false
}

// answer has the store carry a message out. heard: the books hear of it.
func (p *tape) answer(message taped, heard bool) {
	for _, statement := range message.statements {
		grant, denials := p.key.hear(statement, message.demands)
		if !heard {
			continue
		}
		p.books.confirm([]*tokenstorev1.KeyStatement{statement}, nil)
		var charges []*lease.Charge
		for _, id := range grant.GetDemandIds() {
			if charge := p.waiting[id]; charge != nil {
				charge.Held = true
				charges = append(charges, charge)
				delete(p.waiting, id)
			}
		}
		p.books.take(grant, charges)
		p.held = append(p.held, charges...)
		for _, denial := range denials {
			charge := p.waiting[denial.GetDemandId()]
			delete(p.waiting, denial.GetDemandId())
			if charge != nil && p.books.draw(charge) {
				p.held = append(p.held, charge)
			}
		}
	}
}

// breakOff ends the session: what is on its way is lost, or comes late, or only its answer is lost.
func (p *tape) breakOff(carriedOut int) {
	for i, message := range p.on {
		if i < carriedOut {
			p.answer(message, false)
		} else {
			p.late = append(p.late, message)
		}
	}
	p.on = nil
	p.books.resume()
	p.say(true)
}

func (p *tape) pay(i int, used lease.Amounts) {
	charge := p.held[i]
	p.held = append(p.held[:i], p.held[i+1:]...)
	p.books.pay(charge, used)
	paid := amountsOf(used)
	paid[ofAtOnce] = 0
	p.spent = p.spent.plus(paid)
}

// Whatever is lost, repeated or overtaken: what requests may use never exceeds what the store has
// set aside for them, and in the end it knows what they have used, and has all else back.
func TestTheStoreKnowsOfAllThatMayBeUsed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &tape{
			books: newBooks(func() {}), waiting: map[uint64]*lease.Charge{}, now: time.Now(),
			key: newFakeKey(amounts{1000, 1000, 1000, 50}),
		}
		draw := func(name string, most int) uint64 { return uint64(rapid.IntRange(0, most).Draw(t, name)) }
		check := func() {
			var mine amounts
			for _, charge := range p.held {
				mine = mine.plus(amountsOf(charge.Most))
			}
			used, held := p.key.used()
			if !used.plus(held).cover(p.spent.plus(mine)) {
				t.Fatalf("the store knows of %v used and %v held, in truth it is %v and %v", used, held, p.spent, mine)
			}
			if !p.key.most.cover(used.plus(held)) {
				t.Fatalf("%v used and %v held of %v", used, held, p.key.most)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"request": func(t *rapid.T) {
				p.ask(&lease.Charge{KeyID: "k", Most: lease.Amounts{Requests: 1, Tokens: draw("tokens", 30), Cost: money.Pico(draw("cost", 30)), AtOnce: 1}})
			},
			"load": func(*rapid.T) {
				p.books.mu.Lock()
				p.books.of("k").rate = 200
				p.books.mu.Unlock()
			},
			"say": func(*rapid.T) { p.say(false) },
			"answer": func(*rapid.T) {
				if len(p.on) > 0 {
					message := p.on[0]
					p.on = p.on[1:]
					p.answer(message, true)
				}
			},
			"pay": func(t *rapid.T) {
				if len(p.held) > 0 {
					i := rapid.IntRange(0, len(p.held)-1).Draw(t, "which")
					most := p.held[i].Most
					p.pay(i, lease.Amounts{
						Requests: draw("requests used", 1), Tokens: draw("tokens used", int(most.Tokens)), Cost: money.Pico(draw("cost used", int(most.Cost))), AtOnce: 1,
					})
				}
			},
			"withdraw": func(*rapid.T) { clear(p.waiting) },
			"break":    func(t *rapid.T) { p.breakOff(rapid.IntRange(0, len(p.on)).Draw(t, "carried out")) },
			"late": func(*rapid.T) {
				if len(p.late) > 0 {
					p.answer(p.late[0], false)
					p.late = p.late[1:]
				}
			},
			"wanted": func(*rapid.T) { p.books.giveBack([]string{"k"}, 0) },
			"tend":   func(*rapid.T) { p.books.tend(p.now, keyRateWindow) },
			"":       func(*rapid.T) { check() },
		})
		for len(p.held) > 0 {
			p.pay(0, lease.Amounts{Requests: 1})
		}
		clear(p.waiting)
		p.late = nil
		p.books.mu.Lock()
		p.books.of("k").unsaid = true
		p.books.note(p.books.of("k"))
		p.books.mu.Unlock()
		for range 4 {
			p.books.giveBack([]string{""}, time.Hour)
			p.say(false)
			for _, message := range p.on {
				p.answer(message, true)
			}
			p.on = nil
		}
		if used, held := p.key.used(); used != p.spent || held != (amounts{}) {
			t.Fatalf("in the end the store has %v used and %v held, it is %v", used, held, p.spent)
		}
	})
}

// A statement that the store has deferred is none that it has carried out: what is held stands no
// longer for it, more may be asked for, and the book stays until the next one.
func TestADeferredStatementConfirmsNothing(t *testing.T) {
	t.Parallel()
	b, now := newBooks(func() {}), time.Now()
	of := b.of("k")
	of.ttl, of.rate, of.typical = 10*time.Second, 200, amounts{1, 1, 1, 1}
	say := func(deferred bool) {
		of.drawn, of.unsaid = now, true
		b.note(of)
		b.confirm(b.say(now, nil), map[string]bool{"k": deferred})
	}
	say(false)
	since := of.since
	now = now.Add(keyStill)
	say(true)
	if !of.since.Equal(since) || of.asking || len(of.unconfirmed) > 0 {
		t.Errorf("since %s, asking %t, unconfirmed %v", of.since, of.asking, of.unconfirmed)
	}
	now = now.Add(keyStill)
	if of.isOver(now) {
		t.Error("it is closed, though the store does not know all of it")
	}
	say(false)
	if now = now.Add(keyStill); !of.since.After(since) || !of.isOver(now) {
		t.Errorf("when the store has carried it out: since %s, over %t", of.since, of.isOver(now))
	}
}

// What was used since the store has told the standing is as good as new.
func TestWhenRecentUseRenews(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	soon, before := now.Add(20*time.Second), now.Add(-time.Second)
	minute := caller.Limit{Unit: caller.Requests, Period: caller.Minute, Amount: 10}
	total := caller.Limit{Unit: caller.Requests, Period: caller.Total, Amount: 10}
	for name, c := range map[string]struct {
		told  caller.Standing
		spent int64
		used  uint64
		want  time.Time
	}{
		"nothing":                           {caller.Standing{Limit: minute}, 0, 0, time.Time{}},
		"as the store said":                 {caller.Standing{Limit: minute, Used: 2, RenewsAt: soon}, 0, 2, soon},
		"the first use":                     {caller.Standing{Limit: minute}, 1, 1, now.Add(time.Minute)},
		"a use after others":                {caller.Standing{Limit: minute, Used: 2, RenewsAt: soon}, 1, 3, now.Add(time.Minute)},
		"a use after others that are over":  {caller.Standing{Limit: minute, Used: 2, RenewsAt: before}, 1, 1, now.Add(time.Minute)},
		"a use of what is never free again": {caller.Standing{Limit: total, Used: 2}, 1, 3, time.Time{}},
	} {
		b := &book{spent: amounts{c.spent}, standings: []caller.Standing{c.told}}
		if got := b.standing(now)[0]; got.Used != c.used || !got.RenewsAt.Equal(c.want) {
			t.Errorf("%s: %d used, free again at %s", name, got.Used, got.RenewsAt)
		}
	}
}

// Of a key that has used up a share of a limit only that limit counts, and all keys together are
// counted by what is limited.
func TestNearLimitsCountsKeys(t *testing.T) {
	t.Parallel()
	limit := func(period caller.Period, used, amount uint64) caller.Standing {
		return caller.Standing{Limit: caller.Limit{Unit: caller.USD, Period: period, Amount: amount}, Used: used}
	}
	b := newBooks(func() {})
	for key, standings := range map[string][]caller.Standing{
		"near":    {limit(caller.Day, 80, 100), limit(caller.Month, 80, 1000)},
		"spent":   {limit(caller.Day, 7, 5)},
		"far":     {limit(caller.Day, 79, 100)},
		"untold":  nil,
		"another": {limit(caller.Total, 9, 10)},
	} {
		b.byKey[key] = &book{standings: standings}
	}
	near := b.nearLimits(0.8)
	want := map[caller.Limit]int{{Unit: caller.USD, Period: caller.Day}: 2, {Unit: caller.USD, Period: caller.Total}: 1}
	if !maps.Equal(near, want) {
		t.Errorf("%v", near)
	}
}
