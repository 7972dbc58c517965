package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/ledger"
	"carousel.internal/tokenstore/internal/testredis"
)

const (
	unitRequests = tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS
	unitTokens   = tokenstorev1.KeyUnit_KEY_UNIT_TOKENS
	unitUSD      = tokenstorev1.KeyUnit_KEY_UNIT_USD
)

// limitedKey is a key with one limit.
func limitedKey(id string, unit tokenstorev1.KeyUnit, period tokenstorev1.KeyPeriod, amount uint64) *tokenstorev1.ClientKey {
	return &tokenstorev1.ClientKey{Id: id, Limits: []*tokenstorev1.KeyLimit{{Unit: unit, Period: period, Amount: amount}}}
}

// oneRequest is what the requests of these tests may use.
func oneRequest() ledger.Amounts {
	return ledger.Amounts{Requests: 1, Tokens: 100, Cost: 1000, AtOnce: 1}
}

// times is so many requests' worth.
func times(n uint64) ledger.Amounts {
	return ledger.Amounts{Requests: n, Tokens: n * 100, Cost: n * 1000, AtOnce: n}
}

// till is a gateway's book of one key, in a test.
type till struct {
	t        testing.TB
	store    *Store
	key      *tokenstorev1.ClientKey
	book     string
	sequence uint64
	ttl      time.Duration
	spent    ledger.Amounts
	granted  ledger.Amounts
	holding  ledger.Amounts
}

func newTill(t testing.TB, store *Store, key *tokenstorev1.ClientKey, book string) *till {
	return &till{t: t, store: store, key: key, book: book, ttl: 15 * time.Second}
}

// post makes a statement with as many charges of one request, and hears the answer.
func (b *till) post(charges int, ahead ledger.Amounts) ledger.Posted {
	b.t.Helper()
	b.sequence++
	posting := ledger.Posting{
		Book: b.book, TTL: b.ttl, Ahead: ahead,
		Statement: &ledger.Statement{Sequence: b.sequence, Spent: b.spent, Granted: b.granted, Holding: b.holding},
	}
	for range charges {
		posting.Charges = append(posting.Charges, oneRequest())
	}
	posted, err := b.store.Post(b.t.Context(), b.key, posting)
	if err != nil {
		b.t.Fatal(err)
	}
	b.holding = sum(b.holding, difference(posted.Granted, b.granted))
	b.granted = posted.Granted
	return posted
}

// pay ends n requests, of which each has used all that it might.
func (b *till) pay(n uint64) {
	used := times(n)
	b.holding = difference(b.holding, used)
	used.AtOnce = 0
	b.spent = sum(b.spent, used)
}

func outcomes(posted ledger.Posted) string {
	words := make([]string, len(posted.Verdicts))
	for i, verdict := range posted.Verdicts {
		words[i] = string(verdict.Outcome)
	}
	return strings.Join(words, " ")
}

func wantOutcomes(t *testing.T, posted ledger.Posted, want string) {
	t.Helper()
	if got := outcomes(posted); got != want {
		t.Errorf("got %q, want %q; standing %v", got, want, posted.Standing)
	}
}

var epoch2026 = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// What was used counts for 60 seconds from its last moment, and not for a second more than must be.
func TestAMinutesLimit(t *testing.T) {
	t.Parallel()
	client, setTime := testredis.MiniAt(t, epoch2026.Add(900*time.Millisecond))
	b := newTill(t, newStore(t, client), limitedKey("k", unitRequests, tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, 2), "b")
	wantOutcomes(t, b.post(3, ledger.Amounts{}), "granted granted held")
	b.pay(2)
	posted := b.post(1, ledger.Amounts{})
	wantOutcomes(t, posted, "spent")
	if until := posted.Verdicts[0].Until; !until.Equal(epoch2026.Add(61 * time.Second)) {
		t.Errorf("room at %s", until)
	}
	setTime(epoch2026.Add(60*time.Second + 999*time.Millisecond))
	wantOutcomes(t, b.post(1, ledger.Amounts{}), "spent")
	setTime(epoch2026.Add(61 * time.Second))
	wantOutcomes(t, b.post(1, ledger.Amounts{}), "granted")
}

// Each budget begins again with the calendar of its time zone, to the moment; one in all never
// does.
func TestBudgetsRenew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		period tokenstorev1.KeyPeriod
		zone   string
		used   time.Time
		renews time.Time // zero: never
	}{
		"day":               {tokenstorev1.KeyPeriod_KEY_PERIOD_DAY, "", epoch2026, epoch2026.Add(12 * time.Hour)},
		"day in Berlin":     {tokenstorev1.KeyPeriod_KEY_PERIOD_DAY, "Europe/Berlin", time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 29, 22, 0, 0, 0, time.UTC)},
		"week":              {tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK, "", epoch2026, time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)},
		"month in New York": {tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH, "America/New_York", epoch2026, time.Date(2026, 12, 1, 5, 0, 0, 0, time.UTC)},
		"total":             {tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, "", epoch2026, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, setTime := testredis.MiniAt(t, test.used)
			key := limitedKey("k", unitUSD, test.period, 2000)
			key.Limits[0].TimeZone = test.zone
			b := newTill(t, newStore(t, client), key, "b")
			b.post(2, ledger.Amounts{})
			b.pay(2)
			posted := b.post(1, ledger.Amounts{})
			wantOutcomes(t, posted, "spent")
			if until := posted.Verdicts[0].Until; !until.Equal(test.renews) {
				t.Errorf("renews at %s, want %s", until, test.renews)
			}
			if test.renews.IsZero() {
				setTime(test.used.AddDate(2, 0, 0))
				wantOutcomes(t, b.post(1, ledger.Amounts{}), "spent")
				return
			}
			setTime(test.renews.Add(-time.Millisecond))
			wantOutcomes(t, b.post(1, ledger.Amounts{}), "spent")
			setTime(test.renews)
			wantOutcomes(t, b.post(3, ledger.Amounts{}), "granted granted held")
		})
	}
}

// What a gateway that was killed held is free when its ttl is over; what it says later of its use
// counts, for an hour.
func TestASilentBookLapses(t *testing.T) {
	t.Parallel()
	client, setTime := testredis.MiniAt(t, epoch2026)
	store := newStore(t, client)
	key := limitedKey("k", unitTokens, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, 300)
	killed, other := newTill(t, store, key, "killed"), newTill(t, store, key, "other")
	wantOutcomes(t, killed.post(2, ledger.Amounts{}), "granted granted")
	setTime(epoch2026.Add(killed.ttl - time.Millisecond))
	wantOutcomes(t, other.post(2, ledger.Amounts{}), "granted waits")
	setTime(epoch2026.Add(killed.ttl))
	wantOutcomes(t, other.post(1, ledger.Amounts{}), "granted")
	other.holding = ledger.Amounts{}
	setTime(epoch2026.Add(59 * time.Minute))
	killed.pay(2)
	if posted := killed.post(0, ledger.Amounts{}); posted.Standing[0].GetUsed() != 200 {
		t.Errorf("what was said late: %v", posted.Standing)
	}
}

// A book is remembered for an hour after its own end, whatever end the books have that are said
// later.
func TestABookIsRememberedBesideShorterOnes(t *testing.T) {
	t.Parallel()
	client, setTime := testredis.MiniAt(t, epoch2026)
	store := newStore(t, client)
	key := limitedKey("k", unitTokens, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, 300)
	long, short := newTill(t, store, key, "long"), newTill(t, store, key, "short")
	short.ttl = time.Millisecond
	long.post(1, ledger.Amounts{})
	short.post(0, ledger.Amounts{})
	setTime(epoch2026.Add(lapsedFor + short.ttl))
	long.pay(1)
	if posted := long.post(0, ledger.Amounts{}); posted.Standing[0].GetUsed() != 100 {
		t.Errorf("what was said before its hour was over: %v", posted.Standing)
	}
}

// Nothing is left in Redis of a key that was deleted, some time after it can be restored.
func TestLedgersAreForgotten(t *testing.T) {
	t.Parallel()
	client, setTime := testredis.MiniAt(t, epoch2026)
	store := newStore(t, client)
	key := limitedKey("k", unitTokens, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, 300)
	b := newTill(t, store, key, "b")
	b.post(1, ledger.Amounts{})
	b.pay(1)
	b.post(0, ledger.Amounts{})
	count := func() int { return len(client.Keys(t.Context(), "c1:{key:k*").Val()) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(store.ForgetLedger(t.Context(), "k"))
	must(store.KeepLedger(t.Context(), "k"))
	setTime(epoch2026.Add(24 * time.Hour))
	if standings, err := store.KeyStandings(t.Context(), []*tokenstorev1.ClientKey{key}); err != nil || standings[0][0].GetUsed() != 100 || count() != 1 {
		t.Errorf("kept: %v, %v, %d keys", standings, err, count())
	}
	must(store.ForgetLedger(t.Context(), "k"))
	newTill(t, store, key, "late").post(1, ledger.Amounts{})
	unused := limitedKey("kunused", unitTokens, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, 300)
	must(store.ForgetLedger(t.Context(), unused.GetId()))
	under := newTill(t, store, unused, "under way")
	under.post(1, ledger.Amounts{})
	under.pay(1)
	under.post(0, ledger.Amounts{})
	setTime(epoch2026.Add(24*time.Hour + forgottenFor + time.Second))
	if count() != 0 {
		t.Errorf("left: %v", client.Keys(t.Context(), "c1:{key:k*").Val())
	}
}

// An allowance is at most half of what is left, shared by the books there are; nothing of less
// than a request's worth, and nothing while others wait.
func TestAllowances(t *testing.T) {
	t.Parallel()
	client, setTime := testredis.MiniAt(t, epoch2026)
	store := newStore(t, client)
	key := limitedKey("k", unitTokens, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, 10_000)
	first, second := newTill(t, store, key, "first"), newTill(t, store, key, "second")
	if first.post(0, times(8)); first.holding != times(8) {
		t.Errorf("far from the limit: %+v", first.holding)
	}
	second.post(0, ledger.Amounts{})
	if first.post(0, times(200)); first.holding != times(8+23) { // a quarter of 92
		t.Errorf("two books share: %+v", first.holding)
	}
	first.holding = times(97)
	if first.post(0, times(10)); first.holding != times(97) {
		t.Errorf("of three that are left, two books get none: %+v", first.holding)
	}
	first.holding = times(10)
	first.post(0, ledger.Amounts{})
	if posted := second.post(91, ledger.Amounts{}); !strings.HasSuffix(outcomes(posted), "granted waits") {
		t.Fatal(outcomes(posted))
	}
	first.holding, second.holding = ledger.Amounts{}, ledger.Amounts{}
	second.post(0, ledger.Amounts{})
	setTime(epoch2026.Add(wantedFor - time.Millisecond))
	if first.post(0, times(1)); first.holding != times(0) {
		t.Errorf("while it is wanted: %+v", first.holding)
	}
	setTime(epoch2026.Add(wantedFor))
	if first.post(0, times(1)); first.holding != times(1) {
		t.Errorf("then: %+v", first.holding)
	}
}

// A limit that is changed holds for the next charge; what was used so far still counts. One that
// is new counts from then on.
func TestLimitsAreChanged(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		key := limitedKey("k", unitRequests, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, 2)
		b := newTill(t, store, key, "b")
		b.post(2, ledger.Amounts{})
		b.pay(2)
		wantOutcomes(t, b.post(1, ledger.Amounts{}), "spent")
		key.Limits[0].Amount = 3
		wantOutcomes(t, b.post(2, ledger.Amounts{}), "granted held")
		key.Limits = append(key.Limits, &tokenstorev1.KeyLimit{Unit: unitTokens, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH, Amount: 1000})
		b.pay(1)
		if posted := b.post(0, ledger.Amounts{}); posted.Standing[0].GetUsed() != 3 || posted.Standing[1].GetUsed() != 100 {
			t.Errorf("standing %v", posted.Standing)
		}
	})
}

// Charges that are larger than a limit, and dollars that no double can count.
func TestLargeAmounts(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		const most = 9_000_000_000_000_000_000
		key := limitedKey("k", unitUSD, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, most)
		post := func(sequence uint64, spent, granted uint64, charges ...uint64) ledger.Posted {
			posting := ledger.Posting{Book: "b", TTL: time.Minute, Statement: &ledger.Statement{
				Sequence: sequence, Spent: ledger.Amounts{Cost: spent}, Granted: ledger.Amounts{Cost: granted}, Holding: ledger.Amounts{Cost: granted - spent},
			}}
			for _, cost := range charges {
				posting.Charges = append(posting.Charges, ledger.Amounts{Cost: cost})
			}
			posted, err := store.Post(t.Context(), key, posting)
			if err != nil {
				t.Fatal(err)
			}
			return posted
		}
		wantOutcomes(t, post(1, 0, 0, most+1, most-1, 2, 1, 1), "never granted held granted held")
		posted := post(2, most-1, most, 2, 0)
		wantOutcomes(t, posted, "spent granted")
		if posted.Granted.Cost != most || posted.Standing[0].GetUsed() != most-1 || posted.Standing[0].GetReserved() != 1 {
			t.Errorf("%+v", posted)
		}
	})
}

// Two tokenstores and four gateways with one key, all at once: of each limit all is granted, and
// not one request more.
func TestLimitsHoldOverStores(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	stores := []*Store{newStore(t, server.Client(t)), newStore(t, server.Client(t))}
	const amount, gateways, each = 100, 4, 60
	key := limitedKey("k", unitUSD, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, amount*1000)
	granted := make([]int, gateways)
	var running sync.WaitGroup
	for i := range gateways {
		b := newTill(t, stores[i%2], key, fmt.Sprint("b", i))
		running.Go(func() {
			for range each {
				if strings.HasPrefix(outcomes(b.post(1, ledger.Amounts{})), "granted") {
					granted[i]++
					b.pay(1)
				}
			}
			b.post(0, ledger.Amounts{})
		})
	}
	running.Wait()
	all := granted[0] + granted[1] + granted[2] + granted[3]
	standings, err := stores[0].KeyStandings(t.Context(), []*tokenstorev1.ClientKey{key, {Id: "unlimited"}})
	if err != nil || all != amount || standings[0][0].GetUsed() != amount*1000 || standings[0][0].GetReserved() != 0 || len(standings[1]) != 0 {
		t.Errorf("%d granted; %v, %v", all, standings, err)
	}
}

// A charge that needs what others hold has all replicas told, not more often than need be.
func TestWantedKeysAreTold(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx, cancel := context.WithCancel(t.Context())
		events, listening := make(chan Event, 100), make(chan struct{})
		var running sync.WaitGroup
		var once sync.Once
		running.Go(func() {
			store.Listen(ctx, func(event Event) {
				if event.Kind == Resync {
					once.Do(func() { close(listening) })
				} else {
					events <- event
				}
			})
		})
		defer running.Wait()
		defer cancel()
		<-listening
		key := limitedKey("k", unitRequests, tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE, 1)
		newTill(t, store, key, "holder").post(1, ledger.Amounts{})
		asker := newTill(t, store, key, "asker")
		wantOutcomes(t, asker.post(2, ledger.Amounts{}), "waits waits")
		if event := <-events; event.Kind != KeyWanted || event.Key != "k" {
			t.Errorf("told %+v", event)
		}
	})
}

func TestABookIsNotKnown(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		key := limitedKey("k", unitRequests, tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE, 1)
		_, err := store.Post(t.Context(), key, ledger.Posting{Book: "b", Charges: []ledger.Amounts{oneRequest()}, TTL: time.Second})
		if !errors.Is(err, ledger.ErrNoBook) {
			t.Errorf("a charge without a statement: %v", err)
		}
		_, err = store.Post(t.Context(), key, ledger.Posting{Book: "b", Charges: make([]ledger.Amounts, ledger.MaxCharges+1)})
		if !rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT) {
			t.Errorf("too many charges: %v", err)
		}
	})
}

// The books of a key are bounded, and so are those that have lapsed.
func TestBooksAreBounded(t *testing.T) {
	t.Parallel()
	const most = 12
	client, setTime := testredis.MiniAt(t, epoch2026)
	store := newStore(t, client)
	store.mostBooks = most
	key := limitedKey("k", unitRequests, tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE, 1)
	open := func(name string) error {
		_, err := store.Post(t.Context(), key, ledger.Posting{Book: name, TTL: time.Second, Statement: &ledger.Statement{Sequence: 1}})
		return err
	}
	for round := range 2 {
		for i := range most {
			if err := open(fmt.Sprint(round, "-", i)); err != nil {
				t.Fatal(round, i, err)
			}
		}
		if err := open("one more"); !errors.Is(err, ledger.ErrCrowded) {
			t.Errorf("one more: %v", err)
		}
		setTime(epoch2026.Add(time.Duration(round+1) * time.Minute))
	}
	if err := open("the last"); err != nil {
		t.Fatal(err)
	}
	if books, lapsed := client.HLen(t.Context(), booksKey("k")).Val(), client.HLen(t.Context(), lapsedBooksKey("k")).Val(); books != 1 || lapsed != most {
		t.Errorf("%d books, %d that have lapsed", books, lapsed)
	}
}

// BenchmarkLedger is what a posting costs: with one charge, with a chunk for 200 ms of load, with
// as many charges as one may have, and beside 10,000 other keys.
func BenchmarkLedger(b *testing.B) {
	client := testredis.Start(b)
	store := newStore(b, client)
	key := func(id string) *tokenstorev1.ClientKey {
		return &tokenstorev1.ClientKey{Id: id, Limits: []*tokenstorev1.KeyLimit{
			{Unit: unitRequests, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, Amount: 1 << 50},
			{Unit: unitTokens, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, Amount: 1 << 50},
			{Unit: unitUSD, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH, Amount: 1 << 60, TimeZone: "Europe/Berlin"},
		}}
	}
	measure := func(name, id string, charges int, ahead ledger.Amounts) {
		b.Run(name, func(b *testing.B) {
			book := newTill(b, store, key(id), bookName())
			cost := serverTime(b, client)
			for b.Loop() {
				book.post(charges, ahead)
				if book.holding.Requests > 0 {
					book.pay(book.holding.Requests)
				}
			}
			b.ReportMetric((serverTime(b, client)-cost)/float64(b.N), "redis-µs/call")
		})
	}
	measure("one charge", "one", 1, ledger.Amounts{})
	measure("a chunk", "chunk", 0, times(600))
	measure("256 charges", "many", ledger.MaxCharges, ledger.Amounts{})
	for i := range 10_000 {
		newTill(b, store, key(fmt.Sprint("other", i)), "b").post(1, ledger.Amounts{})
	}
	measure("one charge beside 10000 keys", "other1", 1, ledger.Amounts{})
	measure("a chunk beside 10000 keys", "other2", 0, times(600))
}

var bookNames int

// bookName is a book's name that was not used before.
func bookName() string {
	bookNames++
	return fmt.Sprint("book", bookNames)
}

// A ledger is in one slot, and those of several keys in several.
func TestLedgersOnACluster(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.StartCluster(t).UniversalClient)
	var keys []*tokenstorev1.ClientKey
	for i := range 10 {
		key := limitedKey(fmt.Sprint("k", i), unitRequests, tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE, 1)
		keys = append(keys, key)
		wantOutcomes(t, newTill(t, store, key, "b").post(2, ledger.Amounts{}), "granted held")
	}
	standings, err := store.KeyStandings(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, standing := range standings {
		if standing[0].GetReserved() != 1 {
			t.Errorf("standing %v", standing)
		}
	}
	if err := store.ForgetLedger(t.Context(), "k1"); err != nil {
		t.Error(err)
	}
	if err := store.KeepLedger(t.Context(), "k1"); err != nil {
		t.Error(err)
	}
}
