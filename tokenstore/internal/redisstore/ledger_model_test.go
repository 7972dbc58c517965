package redisstore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/ledger"
	"carousel.internal/tokenstore/internal/testredis"
)

// modelLedger is what the scripts do with a key's ledger, in plain Go: every use is kept with its
// time, and added up anew for each question.
type modelLedger struct {
	uses map[string][]modelUse
	// ends are when the periods of limits end.
	ends   map[string]time.Time
	books  map[string]*modelBook
	wanted time.Time
}

type modelUse struct {
	at     time.Time
	amount uint64
}

type modelBook struct {
	sequence             uint64
	expiry               time.Time
	spent, granted, held ledger.Amounts
}

func sum(a, b ledger.Amounts) ledger.Amounts {
	return ledger.Amounts{Requests: a.Requests + b.Requests, Tokens: a.Tokens + b.Tokens, Cost: a.Cost + b.Cost, AtOnce: a.AtOnce + b.AtOnce}
}

func difference(a, b ledger.Amounts) ledger.Amounts {
	return ledger.Amounts{Requests: a.Requests - b.Requests, Tokens: a.Tokens - b.Tokens, Cost: a.Cost - b.Cost, AtOnce: a.AtOnce - b.AtOnce}
}

func within(a, b ledger.Amounts) bool {
	return a.Requests <= b.Requests && a.Tokens <= b.Tokens && a.Cost <= b.Cost && a.AtOnce <= b.AtOnce
}

func limitName(limit *tokenstorev1.KeyLimit) string {
	return limit.GetUnit().String() + limit.GetPeriod().String()
}

// used is what counts against a limit, and until when some of it does.
func (m *modelLedger) used(limit *tokenstorev1.KeyLimit, now time.Time) (used uint64, renews time.Time) {
	if _, ends := ledger.Bounds(limit, now); !ends.IsZero() {
		renews = ends
	}
	for _, use := range m.uses[limitName(limit)] {
		if limit.GetPeriod() == tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE {
			leaves := use.at.Truncate(time.Second).Add(61 * time.Second)
			if !now.Before(leaves) {
				continue
			}
			renews = leaves
		}
		used += use.amount
	}
	return used, renews
}

// reserved is what all books hold but one.
func (m *modelLedger) reserved(but string) ledger.Amounts {
	var held ledger.Amounts
	for name, book := range m.books {
		if name != but {
			held = sum(held, book.held)
		}
	}
	return held
}

// pass lets time go on: periods end, and books lapse.
func (m *modelLedger) pass(limits []*tokenstorev1.KeyLimit, now time.Time) {
	kept := map[string]bool{}
	for _, limit := range limits {
		name := limitName(limit)
		kept[name] = true
		if ends := m.ends[name]; !ends.IsZero() && !now.Before(ends) {
			delete(m.uses, name)
			delete(m.ends, name)
		}
	}
	for name := range m.uses {
		if !kept[name] {
			delete(m.uses, name)
			delete(m.ends, name)
		}
	}
	for name, book := range m.books {
		if !now.Before(book.expiry) {
			book.held = ledger.Amounts{}
		}
		if !now.Before(book.expiry.Add(lapsedFor)) {
			delete(m.books, name)
		}
	}
}

// post is Store.Post at that time.
func (m *modelLedger) post(limits []*tokenstorev1.KeyLimit, posting ledger.Posting, now time.Time) ledger.Posted {
	m.pass(limits, now)
	spare := m.state(limits, posting, now)
	book := m.books[posting.Book]
	posted := ledger.Posted{At: now}
	wants := false
	for _, most := range posting.Charges {
		verdict := ledger.Verdict{Outcome: ledger.Granted}
		if spare.Requests > 0 && within(most, spare) {
			spare = difference(spare, most)
		} else if verdict = m.judge(limits, posting.Book, most, now); verdict.Outcome == ledger.Granted {
			book.granted, book.held = sum(book.granted, most), sum(book.held, most)
		}
		wants = wants || verdict.Outcome == ledger.Waits
		posted.Verdicts = append(posted.Verdicts, verdict)
	}
	if wants && !m.wanted.After(now.Add(wantedFor-wantEvery)) {
		m.wanted = now.Add(wantedFor)
	}
	posted.Granted, posted.Standing = book.granted, m.standing(limits, now)
	return posted
}

// state takes a statement in, and returns what of the grants has never arrived.
func (m *modelLedger) state(limits []*tokenstorev1.KeyLimit, posting ledger.Posting, now time.Time) (spare ledger.Amounts) {
	book := m.books[posting.Book]
	if book == nil {
		book = &modelBook{spent: posting.Statement.Spent}
		m.books[posting.Book] = book
	}
	statement := posting.Statement
	if statement == nil || statement.Sequence <= book.sequence {
		if !now.Before(book.expiry) {
			book.expiry = now.Add(posting.TTL)
		}
		return spare
	}
	used := difference(statement.Spent, book.spent)
	for _, limit := range limits {
		if amount := used.Of(limit); amount > 0 && limit.GetPeriod() != tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE {
			m.uses[limitName(limit)] = append(m.uses[limitName(limit)], modelUse{now, amount})
			_, m.ends[limitName(limit)] = ledger.Bounds(limit, now)
		}
	}
	if !within(statement.Granted, book.granted) { // the store had forgotten the book
		book.granted = statement.Granted
	}
	unheard := difference(book.granted, statement.Granted)
	book.sequence, book.spent, book.expiry = statement.Sequence, statement.Spent, now.Add(posting.TTL)
	book.held = sum(statement.Holding, unheard)
	if statement.Fresh {
		return unheard
	}
	return spare
}

func (m *modelLedger) judge(limits []*tokenstorev1.KeyLimit, name string, most ledger.Amounts, now time.Time) ledger.Verdict {
	worst, rank := ledger.Verdict{Outcome: ledger.Granted}, 0
	for i, limit := range limits {
		need := most.Of(limit)
		used, renews := m.used(limit, now)
		own, others := m.books[name].held.Of(limit), m.reserved(name).Of(limit)
		verdict := ledger.Verdict{Limit: i}
		var severity int
		switch {
		case need == 0 || used+own+others+need <= limit.GetAmount():
			continue
		case need > limit.GetAmount():
			verdict.Outcome, severity = ledger.Never, 4
		case used+need > limit.GetAmount():
			verdict.Outcome, verdict.Until, severity = ledger.Spent, renews, 3
			if limit.GetPeriod() == tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE {
				for at := now; ; at = at.Truncate(time.Second).Add(time.Second) {
					if then, _ := m.used(limit, at); then+need <= limit.GetAmount() {
						verdict.Until = at
						break
					}
				}
			}
		case used+own+need > limit.GetAmount():
			verdict.Outcome, severity = ledger.Held, 2
		default:
			verdict.Outcome, severity = ledger.Waits, 1
		}
		later := severity == rank && !worst.Until.IsZero() && (verdict.Until.IsZero() || verdict.Until.After(worst.Until))
		if severity > rank || later {
			worst, rank = verdict, severity
		}
	}
	return worst
}

func (m *modelLedger) standing(limits []*tokenstorev1.KeyLimit, now time.Time) []*tokenstorev1.KeyStanding {
	standing := make([]*tokenstorev1.KeyStanding, len(limits))
	for i, limit := range limits {
		used, renews := m.used(limit, now)
		standing[i] = &tokenstorev1.KeyStanding{Limit: limit, Used: used, Reserved: m.reserved("").Of(limit)}
		if !renews.IsZero() {
			standing[i].RenewsAt = timestamppb.New(renews)
		}
	}
	return standing
}

// modelReplica is a gateway with its book of one key: what it has heard, and the requests it has.
type modelReplica struct {
	book           string
	sequence       uint64
	spent, granted ledger.Amounts
	requests       []ledger.Amounts
	idle           ledger.Amounts
	fresh          bool
	// said is a statement of some time ago.
	said *ledger.Statement
	// unanswered are charges whose answer was lost.
	unanswered []ledger.Amounts
}

func (r *modelReplica) statement() *ledger.Statement {
	r.sequence++
	holding := r.idle
	for _, request := range r.requests {
		holding = sum(holding, request)
	}
	statement := &ledger.Statement{Sequence: r.sequence, Fresh: r.fresh, Spent: r.spent, Granted: r.granted, Holding: holding}
	r.fresh = false
	return statement
}

// hear takes an answer in: what is more than before and not of a charge is an allowance.
func (r *modelReplica) hear(charges []ledger.Amounts, posted ledger.Posted) {
	r.idle = sum(r.idle, difference(posted.Granted, r.granted))
	r.granted = posted.Granted
	for i, verdict := range posted.Verdicts {
		if verdict.Outcome == ledger.Granted {
			r.idle = difference(r.idle, charges[i])
			r.requests = append(r.requests, charges[i])
		}
	}
}

// ledgerMachine drives the store and the model alike. Time goes on by pass where the clock is the
// test's; else it does by itself.
type ledgerMachine struct {
	t        *testing.T
	store    *Store
	key      *tokenstorev1.ClientKey
	model    *modelLedger
	replicas []*modelReplica
	pass     func(time.Duration)
}

var ledgerLimits = []*tokenstorev1.KeyLimit{
	{Unit: tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE},
	{Unit: tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE},
	{Unit: tokenstorev1.KeyUnit_KEY_UNIT_TOKENS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE},
	{Unit: tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_DAY, TimeZone: "Europe/Berlin"},
	{Unit: tokenstorev1.KeyUnit_KEY_UNIT_TOKENS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK, TimeZone: "America/New_York"},
	{Unit: tokenstorev1.KeyUnit_KEY_UNIT_USD, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH},
	{Unit: tokenstorev1.KeyUnit_KEY_UNIT_USD, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL},
}

// amountFor draws the amount of a limit: dollars beyond what a double can count.
func amountFor(t *rapid.T, limit *tokenstorev1.KeyLimit) uint64 {
	switch limit.GetUnit() {
	case tokenstorev1.KeyUnit_KEY_UNIT_USD:
		return rapid.Uint64Range(1<<54, 1<<59).Draw(t, "dollars")
	case tokenstorev1.KeyUnit_KEY_UNIT_TOKENS:
		return rapid.Uint64Range(50, 2000).Draw(t, "tokens")
	default:
		return rapid.Uint64Range(1, 12).Draw(t, "requests")
	}
}

func charge(t *rapid.T) ledger.Amounts {
	return ledger.Amounts{
		Requests: 1, Tokens: rapid.Uint64Range(0, 300).Draw(t, "tokens"), AtOnce: 1,
		Cost: rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(1<<50, 1<<55)).Draw(t, "cost"),
	}
}

func charges(t *rapid.T) []ledger.Amounts {
	return rapid.SliceOfN(rapid.Custom(charge), 0, 3).Draw(t, "charges")
}

func (m *ledgerMachine) replica(t *rapid.T) *modelReplica {
	return m.replicas[rapid.IntRange(0, len(m.replicas)-1).Draw(t, "replica")]
}

func ttl(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{time.Minute, 15 * time.Second, time.Millisecond}).Draw(t, "ttl")
}

// post posts to both, and holds that they agree.
func (m *ledgerMachine) post(t *rapid.T, posting ledger.Posting) ledger.Posted {
	got, err := m.store.Post(m.t.Context(), m.key, posting)
	if err != nil {
		t.Fatal(err)
	}
	want := m.model.post(m.key.GetLimits(), posting, got.At)
	if got.Granted != want.Granted && posting.Ahead != (ledger.Amounts{}) {
		m.allow(t, posting, difference(got.Granted, want.Granted), got.At)
		want.Granted = got.Granted
		want.Standing = m.model.standing(m.key.GetLimits(), got.At)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform(), cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Fatalf("%+v: (-model +store)\n%s", posting, diff)
	}
	m.holdLimits(t, got)
	return got
}

// allow takes an allowance into the model: it must have been asked for, at a time at which nobody
// waits, and be at most half of what was left.
func (m *ledgerMachine) allow(t *rapid.T, posting ledger.Posting, more ledger.Amounts, now time.Time) {
	if !within(more, posting.Ahead) || more.Requests < 1 || m.model.wanted.After(now) {
		t.Fatalf("%+v was granted ahead, of %+v; wanted until %s", more, posting.Ahead, m.model.wanted)
	}
	for _, limit := range m.key.GetLimits() {
		used, _ := m.model.used(limit, now)
		left := limit.GetAmount() - used - m.model.reserved("").Of(limit)
		if most := left/2 + 1; more.Of(limit) > most {
			t.Fatalf("%d of %s were granted ahead with %d left", more.Of(limit), limitName(limit), left)
		}
	}
	book := m.model.books[posting.Book]
	book.granted, book.held = sum(book.granted, more), sum(book.held, more)
}

// holdLimits holds that what was granted was within the limits.
func (m *ledgerMachine) holdLimits(t *rapid.T, posted ledger.Posted) {
	for _, verdict := range posted.Verdicts {
		if verdict.Outcome != ledger.Granted {
			return
		}
	}
	standings, err := m.store.KeyStandings(m.t.Context(), []*tokenstorev1.ClientKey{m.key})
	if err != nil {
		t.Fatal(err)
	}
	for i, standing := range standings[0] {
		if was := posted.Standing[i]; standing.GetUsed() > was.GetUsed() || standing.GetReserved() > was.GetReserved() {
			t.Fatalf("read as %v, posted as %v", standing, was)
		}
	}
}

// Charge makes a statement with charges, and hears the answer.
func (m *ledgerMachine) Charge(t *rapid.T) {
	r := m.replica(t)
	wanted := charges(t)
	r.said = r.statement()
	r.hear(wanted, m.post(t, ledger.Posting{Book: r.book, Statement: r.said, Charges: wanted, TTL: ttl(t)}))
}

// Ahead asks for an allowance.
func (m *ledgerMachine) Ahead(t *rapid.T) {
	r := m.replica(t)
	n := rapid.Uint64Range(1, 8).Draw(t, "requests")
	one := charge(t)
	ahead := ledger.Amounts{Requests: n, Tokens: n * one.Tokens, Cost: n * one.Cost, AtOnce: n}
	r.hear(nil, m.post(t, ledger.Posting{Book: r.book, Statement: r.statement(), Ahead: ahead, TTL: ttl(t)}))
}

// Lose has the answer to charges never arrive.
func (m *ledgerMachine) Lose(t *rapid.T) {
	r := m.replica(t)
	wanted := charges(t)
	m.post(t, ledger.Posting{Book: r.book, Statement: r.statement(), Charges: wanted, TTL: time.Minute})
	r.unanswered = append(r.unanswered, wanted...)
}

// Resume is the beginning of another session: what was lost is said again.
func (m *ledgerMachine) Resume(t *rapid.T) {
	r := m.replica(t)
	r.fresh = true
	wanted := r.unanswered
	r.unanswered = nil
	r.hear(wanted, m.post(t, ledger.Posting{Book: r.book, Statement: r.statement(), Charges: wanted, TTL: time.Minute}))
}

// Repeat has a statement come again, or behind a later one, but no later than its book is
// remembered: a session's messages are not an hour late.
func (m *ledgerMachine) Repeat(t *rapid.T) {
	r := m.replica(t)
	m.model.pass(m.key.GetLimits(), m.now(t))
	if r.said == nil || m.model.books[r.book] == nil {
		t.Skip("nothing to repeat")
	}
	m.post(t, ledger.Posting{Book: r.book, Statement: r.said, TTL: time.Minute})
}

// Retry decides a charge of a statement that was made before.
func (m *ledgerMachine) Retry(t *rapid.T) {
	r := m.replica(t)
	if m.model.books[r.book] == nil {
		t.Skip("no book")
	}
	wanted := charges(t)
	got, err := m.store.Post(m.t.Context(), m.key, ledger.Posting{Book: r.book, Charges: wanted, TTL: time.Minute})
	if errors.Is(err, ledger.ErrNoBook) {
		m.model.pass(m.key.GetLimits(), m.now(t))
		if m.model.books[r.book] != nil {
			t.Fatal("the book is forgotten")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	posting := ledger.Posting{Book: r.book, Charges: wanted, TTL: time.Minute}
	if diff := cmp.Diff(m.model.post(m.key.GetLimits(), posting, got.At), got, protocmp.Transform(), cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Fatalf("(-model +store)\n%s", diff)
	}
	r.hear(wanted, got)
}

func (m *ledgerMachine) now(t *rapid.T) time.Time {
	now, err := m.store.client.Time(m.t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// Pay ends a request, which has used less than it might have, or a little more.
func (m *ledgerMachine) Pay(t *rapid.T) {
	r := m.replica(t)
	if len(r.requests) == 0 {
		t.Skip("no request")
	}
	used := r.requests[0]
	used.AtOnce = 0
	used.Tokens = rapid.Uint64Range(0, used.Tokens+5).Draw(t, "tokens")
	used.Cost = rapid.Uint64Range(0, used.Cost+5).Draw(t, "cost")
	if rapid.Bool().Draw(t, "nothing") {
		used = ledger.Amounts{}
	}
	r.spent, r.requests = sum(r.spent, used), r.requests[1:]
}

// GiveBack lets go of what is not needed.
func (m *ledgerMachine) GiveBack(t *rapid.T) { m.replica(t).idle = ledger.Amounts{} }

// Change edits a limit, takes one away or adds one.
func (m *ledgerMachine) Change(t *rapid.T) {
	m.key.Limits = drawLimits(t)
	// What is taken away is forgotten by the next posting only.
	r := m.replica(t)
	r.hear(nil, m.post(t, ledger.Posting{Book: r.book, Statement: r.statement(), TTL: time.Minute}))
}

func drawLimits(t *rapid.T) []*tokenstorev1.KeyLimit {
	var limits []*tokenstorev1.KeyLimit
	for _, limit := range ledgerLimits {
		if rapid.Bool().Draw(t, limitName(limit)) {
			limits = append(limits, &tokenstorev1.KeyLimit{Unit: limit.GetUnit(), Period: limit.GetPeriod(), TimeZone: limit.GetTimeZone(), Amount: amountFor(t, limit)})
		}
	}
	return limits
}

// Pass lets time go on.
func (m *ledgerMachine) Pass(t *rapid.T) {
	if m.pass == nil {
		t.Skip("the clock is Redis's own")
	}
	m.pass(rapid.OneOf(
		rapid.Map(rapid.IntRange(1, 90_000), func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }),
		rapid.Map(rapid.IntRange(1, 400), func(h int) time.Duration { return time.Duration(h) * time.Hour }),
	).Draw(t, "time"))
}

// Settle ends everything: then nothing is set aside.
func (m *ledgerMachine) Settle(t *rapid.T) {
	for _, r := range m.replicas {
		for _, request := range r.requests {
			request.AtOnce = 0
			r.spent = sum(r.spent, request)
		}
		r.requests, r.idle = nil, ledger.Amounts{}
		// The answer to the first is heard, so that the second gives all of it back.
		r.hear(nil, m.post(t, ledger.Posting{Book: r.book, Statement: r.statement(), TTL: time.Minute}))
		r.idle = ledger.Amounts{}
		m.post(t, ledger.Posting{Book: r.book, Statement: r.statement(), TTL: time.Minute})
	}
	standings, err := m.store.KeyStandings(m.t.Context(), []*tokenstorev1.ClientKey{m.key})
	if err != nil {
		t.Fatal(err)
	}
	for _, standing := range standings[0] {
		if standing.GetReserved() != 0 {
			t.Fatalf("%v is left over", standing)
		}
	}
}

func (m *ledgerMachine) Check(*rapid.T) {}

// The scripts do with ledgers what the model does, whatever is lost, repeated or late.
func TestLedgerModel(t *testing.T) {
	t.Parallel()
	machine := func(t *testing.T, store *Store, pass func(time.Duration)) {
		t.Helper()
		runs := 0
		rapid.Check(t, func(rt *rapid.T) {
			runs++
			m := &ledgerMachine{
				t: t, store: store, pass: pass, key: &tokenstorev1.ClientKey{Id: fmt.Sprintf("k%d", runs), Limits: drawLimits(rt)},
				model: &modelLedger{uses: map[string][]modelUse{}, ends: map[string]time.Time{}, books: map[string]*modelBook{}},
			}
			for i := range 3 {
				m.replicas = append(m.replicas, &modelReplica{book: fmt.Sprintf("b%d", i), fresh: true})
			}
			rt.Repeat(rapid.StateMachineActions(m))
		})
	}
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		machine(t, newStore(t, testredis.Start(t)), nil)
	})
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		now := time.Date(2026, 3, 27, 22, 59, 58, 500_000_000, time.UTC) // in two days clocks change
		client, setTime := testredis.MiniAt(t, now)
		machine(t, newStore(t, client), func(d time.Duration) {
			now = now.Add(d)
			setTime(now)
		})
	})
}
