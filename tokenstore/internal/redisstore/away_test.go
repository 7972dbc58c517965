package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/ledger"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// spreadStore is a store on a Cluster, with an upstream and a token of it on each primary.
type spreadStore struct {
	*Store
	cluster   *testredis.Cluster
	upstreams []string // by primary
	tokens    []string
}

func newSpreadStore(t *testing.T) *spreadStore {
	t.Helper()
	cluster := testredis.StartCluster(t, "--appendfsync", "always") // what is killed comes back with all that it had
	s := &spreadStore{Store: newStore(t, cluster.UniversalClient), cluster: cluster, upstreams: make([]string, len(cluster.Nodes)), tokens: make([]string, len(cluster.Nodes))}
	for i, found := 0, 0; found < len(s.upstreams); i++ {
		name := fmt.Sprint("u", i)
		at := cluster.PrimaryOf(t, orderKey(name))
		if s.upstreams[at] != "" {
			continue
		}
		s.upstreams[at], found = name, found+1
		if _, err := s.PutUpstream(t.Context(), &tokenstorev1.Upstream{Name: name, Driver: token.DriverOpenAI, BaseUrl: "https://example.com"}, 0); err != nil {
			t.Fatal(err)
		}
		s.tokens[at] = trusted(t, s.Store, create(t, s.Store, draft(name, "secret-"+name)))
	}
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *spreadStore) take(t *testing.T, at int) (leasing.LeaseRef, error) {
	t.Helper()
	taken, _, err := s.Acquire(t.Context(), leasing.Wanted{Upstream: s.upstreams[at], Model: "m", Count: 1, TTL: time.Minute})
	if err != nil {
		return leasing.LeaseRef{}, err
	}
	if len(taken) != 1 || taken[0].TokenID != s.tokens[at] {
		t.Fatalf("of %s: %v", s.upstreams[at], taken)
	}
	return taken[0].LeaseRef, nil
}

// takeEach takes a lease of each pool, while all primaries are there.
func (s *spreadStore) takeEach(t *testing.T) []leasing.LeaseRef {
	t.Helper()
	var leases []leasing.LeaseRef
	for at := range s.upstreams {
		lease, err := s.take(t, at)
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, lease)
	}
	return leases
}

// Whichever primary of a Cluster is away, and whatever else is on it: leases of the others are
// taken, renewed and settled, and reserves are kept. Of its own pool each call says that this alone
// is away.
func TestAPrimaryThatIsAwayStopsItsOwnPoolOnly(t *testing.T) {
	t.Parallel()
	for away := range 3 {
		t.Run(fmt.Sprint("primary ", away+1), func(t *testing.T) {
			t.Parallel()
			s := newSpreadStore(t)
			ctx := t.Context()
			reservation := leasing.Reservation{Replica: "g1", Instance: "i1", TTL: time.Minute}
			if _, err := s.Reserve(ctx, reservation); err != nil {
				t.Fatal(err)
			}
			leases := s.takeEach(t)
			if text := s.PartlyAway(ctx); text != "" {
				t.Errorf("while all are there: %s", text)
			}
			s.cluster.Servers[away].Kill()

			for at := range s.upstreams {
				lease, err := s.take(t, at)
				if at != away {
					if err != nil {
						t.Fatalf("the pool on primary %d: %v", at+1, err)
					}
					leases = append(leases, lease)
					continue
				}
				s.mustBeAway(t, "acquire", err, at)
				s.credentials.forgetAll()
				_, err = s.Credential(ctx, s.tokens[at], 0)
				s.mustBeAway(t, "open a token", err, at)
				_, err = s.Pardon(ctx, s.upstreams[at], "guard")
				s.mustBeAway(t, "pardon", err, at)
			}
			lost, err := s.Renew(ctx, leases, time.Minute)
			s.mustDefer(t, "renew", err, away, leases[away])
			if len(lost) != 0 {
				t.Errorf("lost: %v", lost)
			}
			settlements := make([]leasing.Settlement, len(leases))
			for i, lease := range leases {
				settlements[i] = leasing.Settlement{LeaseRef: lease, Effect: leasing.Succeeded}
			}
			settled, err := s.Settle(ctx, settlements)
			s.mustDefer(t, "settle", err, away, leases[away])
			for i, each := range settled {
				if each.Live == (i == away) {
					t.Errorf("lease %d: %+v", i, each)
				}
			}
			s.mustCountUses(t, away)
			reserve, err := s.Reserve(ctx, reservation)
			if err != nil {
				t.Fatal(err)
			}
			s.mustName(t, "reserve", reserve.Away, away)
			if text := s.PartlyAway(ctx); !strings.Contains(text, "of the 3 primaries of the Redis Cluster 1 can't be reached") {
				t.Errorf("it says %q", text)
			}

			s.cluster.Servers[away].Start(t)
			waitUntil(t, "the pool is back", func() bool {
				_, err := s.Settle(ctx, settlements[away:away+1])
				return err == nil
			})
			if _, err := s.take(t, away); err != nil {
				t.Error(err)
			}
		})
	}
}

// mustCountUses reports more uses of a reserve, of each pool, than one call of a script counts.
func (s *spreadStore) mustCountUses(t *testing.T, away int) {
	t.Helper()
	var uses []leasing.ReservedUse
	var later []uint64
	for range maxSettlements + 1 {
		for at := range s.tokens {
			number := uint64(len(uses) + 1)
			uses = append(uses, leasing.ReservedUse{Number: number, Settlement: leasing.Settlement{
				LeaseRef: leasing.LeaseRef{TokenID: s.tokens[at], LeaseID: "1-0"}, Effect: leasing.Neutral,
			}})
			if at == away {
				later = append(later, number)
			}
		}
	}
	settled, err := s.Reconcile(t.Context(), "g1", uses)
	part, is := errors.AsType[*leasing.Deferred](err)
	if !is || !slices.Equal(part.Upstreams, []string{s.upstreams[away]}) || !slices.Equal(part.Uses, later) {
		t.Fatalf("reconcile: %v", err)
	}
	for i, each := range settled {
		if each.Live == (i%len(s.tokens) == away) {
			t.Fatalf("use %d: %+v", i+1, each)
		}
	}
}

func (s *spreadStore) mustBeAway(t *testing.T, doing string, err error, at int) {
	t.Helper()
	if pool, is := errors.AsType[*leasing.PoolAway](err); !is || pool.Upstream != s.upstreams[at] {
		t.Errorf("%s, of its own pool: %v", doing, err)
	}
}

// mustName makes sure that of the pools, one on each primary, that of this primary is named alone.
func (s *spreadStore) mustName(t *testing.T, doing string, named []string, at int) {
	t.Helper()
	for i, upstream := range s.upstreams {
		if slices.Contains(named, upstream) != (i == at) {
			t.Fatalf("%s: %v are away, of %v the one of primary %d", doing, named, s.upstreams, at+1)
		}
	}
}

func (s *spreadStore) mustDefer(t *testing.T, doing string, err error, away int, lease leasing.LeaseRef) {
	t.Helper()
	part, is := errors.AsType[*leasing.Deferred](err)
	if !is || !slices.Equal(part.Upstreams, []string{s.upstreams[away]}) || !slices.Equal(part.Leases, []leasing.LeaseRef{lease}) {
		t.Errorf("%s: %v", doing, err)
	}
}

// asInProduction is a store on the same Cluster whose client keeps deadlines.
func (s *spreadStore) asInProduction(t *testing.T) *Store {
	t.Helper()
	addrs := s.cluster.UniversalClient.(*redis.ClusterClient).Options().Addrs //nolint:forcetypeassert // it is one
	client, err := Connect("redis://" + strings.Join(addrs, ",") + "?cluster=true")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return newStore(t, client)
}

// patience is what no call takes that does not wait for a primary that is silent.
const patience = 5 * time.Second

// mustWaitOnce makes a call again and again while a primary is silent: only the first may wait for
// it.
func mustWaitOnce(t *testing.T, call func()) {
	t.Helper()
	call()
	for since := time.Now(); time.Since(since) < 3*probeTimeout; {
		began := time.Now()
		call()
		if took := time.Since(began); took >= patience {
			t.Fatalf("%s after the first one takes %s", time.Since(since), took)
		}
	}
}

// A primary of a Cluster that is silent, to all or to what writes, and not known to be away, costs
// the leases of the others a moment, once, and not their answers; no later call waits for it while
// it stays so. When it is back, no call is refused before somebody has asked it again.
func TestAPrimaryThatIsSilentStopsItsOwnPoolOnly(t *testing.T) {
	t.Parallel()
	const silent = 1
	for name, test := range map[string]struct {
		stop, resume func(*testing.T, *testredis.Cluster)
	}{
		"it is frozen": {
			func(t *testing.T, c *testredis.Cluster) { c.Servers[silent].Pause(t) },
			func(t *testing.T, c *testredis.Cluster) { c.Servers[silent].Resume(t) },
		},
		"its writes wait": { // as during CLUSTER FAILOVER
			func(t *testing.T, c *testredis.Cluster) {
				if err := c.Nodes[silent].Do(t.Context(), "CLIENT", "PAUSE", testredis.Timeout.Milliseconds(), "WRITE").Err(); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, c *testredis.Cluster) {
				if err := c.Nodes[silent].ClientUnpause(context.WithoutCancel(t.Context())).Err(); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpreadStore(t)
			leases := s.takeEach(t)
			store := s.asInProduction(t)
			renew := func() ([]leasing.LeaseRef, error) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
				defer cancel()
				return store.Renew(ctx, leases, time.Minute)
			}
			if _, err := renew(); err != nil {
				t.Fatal(err)
			}
			test.stop(t, s.cluster)
			defer test.resume(t, s.cluster)
			mustWaitOnce(t, func() {
				lost, err := renew()
				s.mustDefer(t, "renew", err, silent, leases[silent])
				if len(lost) > 0 {
					t.Fatalf("lost %v", lost)
				}
			})
			test.resume(t, s.cluster)
			waitUntil(t, "it is back", func() bool { return store.silent.count() == 0 })
			if _, err := renew(); err != nil {
				t.Errorf("it is back: %v", err)
			}
		})
	}
}

// Who asks a silent primary whether it is there again does so no more when the store is closed.
func TestNobodyIsProbedForAStoreThatIsClosed(t *testing.T) {
	t.Parallel()
	cluster := testredis.StartCluster(t)
	store := newStore(t, cluster.UniversalClient)
	primary, err := cluster.UniversalClient.(*redis.ClusterClient).MasterForKey(t.Context(), directoryKey()) //nolint:forcetypeassert // it is one
	if err != nil {
		t.Fatal(err)
	}
	paused := cluster.Servers[cluster.PrimaryOf(t, directoryKey())]
	paused.Pause(t)
	defer paused.Resume(t)
	store.silent.note(primary)
	if store.silent.count() != 1 {
		t.Error("it is not silent")
	}
	store.Close() // and waits for who probes
	store.silent.note(primary)
	if count := store.silent.count(); count != 0 {
		t.Errorf("%d are probed after that", count)
	}
}

// While the primary of the directory is silent, reserves of the other pools are kept, by the names
// of upstreams that were known last, and nothing waits for it again.
func TestADirectoryThatIsSilentStopsNoOtherPool(t *testing.T) {
	t.Parallel()
	s := newSpreadStore(t)
	silent := s.cluster.PrimaryOf(t, directoryKey())
	store := s.asInProduction(t)
	reserve := func() (leasing.Reserve, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		return store.Reserve(ctx, leasing.Reservation{Replica: "g1", Instance: "i1", TTL: time.Minute})
	}
	if _, err := reserve(); err != nil {
		t.Fatal(err)
	}
	s.cluster.Servers[silent].Pause(t)
	defer s.cluster.Servers[silent].Resume(t)
	mustWaitOnce(t, func() {
		kept, err := reserve()
		if err != nil {
			t.Fatal(err)
		}
		s.mustName(t, "reserve", kept.Away, silent)
	})
}

// Whichever primary is away, what the others publish is heard: recalls do not wait for it.
func TestEventsAreHeardWhileAPrimaryIsAway(t *testing.T) {
	t.Parallel()
	for away := range 3 {
		t.Run(fmt.Sprint("primary ", away+1), func(t *testing.T) {
			t.Parallel()
			s := newSpreadStore(t)
			events := listen(t, s.asInProduction(t))
			wantEvent(t, events, Event{Kind: Resync})
			s.cluster.Servers[away].Kill()
			recalled := Event{Kind: Recalled, Token: "t1", Epoch: 7}
			other := s.cluster.Nodes[(away+1)%len(s.cluster.Nodes)]
			waitUntil(t, "a recall is heard", func() bool {
				if err := other.Publish(t.Context(), poolChannel, "recall t1 7").Err(); err != nil {
					t.Fatal(err)
				}
				select {
				case event := <-events:
					return event == recalled
				default:
					return false
				}
			})
		})
	}
}

// While the primary of the client keys is silent, requests are charged to what was known of them
// last; while that of a ledger is, its statements are deferred. No later call waits for either.
func TestASilentPrimaryHoldsUpNoStatements(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		silent func(id string) string // a key there
		away   bool
	}{
		"that of the client keys": {clientKeyKey, false},
		"that of a ledger":        {ledgerKey, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpreadStore(t)
			store := s.asInProduction(t)
			id := s.keyWithLedgerElsewhere(t)
			posting := ledger.Posting{Book: "b", Statement: &ledger.Statement{}, TTL: time.Minute}
			post := func() error {
				ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
				defer cancel()
				key, err := store.ClientKey(ctx, id)
				if err != nil {
					return err
				}
				posting.Statement.Sequence++
				_, err = store.Post(ctx, key, posting)
				return err
			}
			if err := post(); err != nil {
				t.Fatal(err)
			}
			silent := s.cluster.Servers[s.cluster.PrimaryOf(t, test.silent(id))]
			silent.Pause(t)
			defer silent.Resume(t)
			slow := 0
			for since := time.Now(); time.Since(since) < patience+3*probeTimeout; {
				began := time.Now()
				err := post()
				if _, away := errors.AsType[*ledger.Away](err); away != test.away || err != nil && !away {
					t.Fatal(err)
				}
				if time.Since(began) >= patience {
					slow++
				}
			}
			if slow != 1 {
				t.Errorf("%d calls wait for it", slow)
			}
		})
	}
}

// listenedAt is the primary from which events are heard.
func (s *spreadStore) listenedAt(t *testing.T) int {
	t.Helper()
	for at, node := range s.cluster.Nodes {
		if node.PubSubNumSub(t.Context(), poolChannel).Val()[poolChannel] > 0 {
			return at
		}
	}
	t.Fatal("nobody listens")
	return 0
}

// Of a Cluster, the primary from which events are heard may have forgotten what is of its own
// pools, when it is lost: no other pool waits for renewals and who has errands in hand.
func TestOnlyPoolsOfThePrimaryThatWasLostMayHaveBeenForgotten(t *testing.T) {
	t.Parallel()
	s := newSpreadStore(t)
	store := s.asInProduction(t)
	if _, err := store.upstreamNames(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := listen(t, store)
	wantEvent(t, events, Event{Kind: Resync})
	lost := s.listenedAt(t)
	s.cluster.Servers[lost].Kill()
	var forgetful []string
	for event := range events {
		if event.Kind == Resync {
			break
		}
		if event.Kind == Forgetful {
			forgetful = append(forgetful, event.Upstream)
		}
	}
	for at, upstream := range s.upstreams {
		if slices.Contains(forgetful, upstream) != (at == lost) {
			t.Errorf("%q may have been forgotten; of %q that of primary %d was lost", forgetful, s.upstreams, lost+1)
		}
		if store.errandsAway.within(upstream, time.Minute) != (at == lost) {
			t.Errorf("errands of %s wait: %v", upstream, at != lost)
		}
	}
}

// A primary from which events are heard, and that is silent, is left for another soon: what others
// publish is not unheard for as long as a connection may be idle.
func TestEventsAreHeardSoonWhileTheirPrimaryIsSilent(t *testing.T) {
	t.Parallel()
	s := newSpreadStore(t)
	events := listen(t, s.asInProduction(t))
	wantEvent(t, events, Event{Kind: Resync})
	silent := s.listenedAt(t)
	s.cluster.Servers[silent].Pause(t)
	defer s.cluster.Servers[silent].Resume(t)
	began := time.Now()
	wantEvent(t, events, Event{Kind: Resync})
	if took := time.Since(began); took >= 2*idleLimit {
		t.Errorf("another is heard after %s", took)
	}
}

// keyWithLedgerElsewhere returns a client key whose ledger is on another primary than the keys are.
func (s *spreadStore) keyWithLedgerElsewhere(t *testing.T) string {
	t.Helper()
	for {
		key, _ := createKey(t, s.Store, &tokenstorev1.ClientKey{Name: "k", Limits: []*tokenstorev1.KeyLimit{
			{Unit: tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, Amount: 9},
		}})
		if id := key.GetId(); s.cluster.PrimaryOf(t, ledgerKey(id)) != s.cluster.PrimaryOf(t, clientKeyKey(id)) {
			return id
		}
	}
}

// A tokenstore that has not granted a lease learns from its reports where the token is: the
// directory may be away.
func TestALocatedTokenNeedsNoDirectory(t *testing.T) {
	t.Parallel()
	s := newSpreadStore(t)
	directory := s.cluster.PrimaryOf(t, directoryKey())
	at := (directory + 1) % len(s.upstreams)
	lease, err := s.take(t, at)
	if err != nil {
		t.Fatal(err)
	}
	other := newStore(t, s.cluster.Client(t))
	s.cluster.Servers[directory].Kill()
	done := []leasing.Settlement{{LeaseRef: lease, Effect: leasing.Succeeded}}
	if _, err := other.Settle(t.Context(), done); err == nil {
		t.Error("settled, though nobody has told where the token is")
	}
	other.Locate(lease.TokenID, s.upstreams[at])
	if settled, err := other.Settle(t.Context(), done); err != nil || !settled[0].Live {
		t.Errorf("%v, %v", settled, err)
	}
}

// Whichever primary is away, errands of the pools on the others are handed out, prolonged and
// looked for; of the one that is back none is before who had one in hand could say so.
func TestAPrimaryThatIsAwayStopsItsOwnErrandsOnly(t *testing.T) {
	t.Parallel()
	for away := range 3 {
		t.Run(fmt.Sprint("primary ", away+1), func(t *testing.T) {
			t.Parallel()
			s := newSpreadStore(t)
			names, renewed := make([]string, len(s.upstreams)), make([]*tokenstorev1.Token, len(s.upstreams))
			for i, found := 0, 0; found < len(names); i++ {
				d := login(fmt.Sprint("s", i), fmt.Sprint("r", i))
				d.Upstream = fmt.Sprint("e", i)
				at := s.cluster.PrimaryOf(t, orderKey(d.Upstream))
				if names[at] != "" {
					continue
				}
				names[at], found = d.Upstream, found+1
				if _, err := s.PutUpstream(t.Context(), &tokenstorev1.Upstream{Name: d.Upstream, Driver: token.DriverCursor, BaseUrl: "https://example.com"}, 0); err != nil {
					t.Fatal(err)
				}
				renewed[at] = create(t, s.Store, d)
				makeDue(t, s.Store, renewed[at])
			}
			s.renewers.forget()
			var held []ErrandRef
			for _, errand := range take(t, s.Store) {
				held = append(held, errand.ErrandRef)
			}
			if len(held) != len(renewed) {
				t.Fatalf("took %v", held)
			}
			s.cluster.Servers[away].Kill()
			s.renewers.forget()
			if again := take(t, s.Store, held...); len(again) > 0 {
				t.Errorf("handed out again: %v", again)
			}
			for at, each := range renewed {
				if at != away {
					makeDue(t, s.Store, each)
				}
			}
			if next, err := s.NextErrand(t.Context()); err != nil || next > 0 {
				t.Errorf("the next is due in %v, %v", next, err)
			}
			if others := take(t, s.Store); len(others) != len(renewed)-1 {
				t.Errorf("of the others took %v", others)
			}

			s.cluster.Servers[away].Start(t)
			waitUntil(t, "the pool is back", func() bool {
				_, err := s.take(t, away)
				return err == nil
			})
			makeDue(t, s.Store, renewed[away])
			s.errandsAway.note(names[away])
			if early := take(t, s.Store); len(early) > 0 {
				t.Errorf("before its holder could say a word: %v", early)
			}
			s.errandHold = 0
			if later := take(t, s.Store); len(later) != 1 || later[0].ID != renewed[away].GetId() {
				t.Errorf("later took %v", later)
			}
		})
	}
}

// While the primary of the directory is silent, errands of the other pools are looked for and
// handed out, and their tokens whose time has come are found and enabled.
func TestASilentDirectoryHoldsUpNoErrands(t *testing.T) {
	t.Parallel()
	s := newSpreadStore(t)
	silent := s.cluster.PrimaryOf(t, directoryKey())
	at := (silent + 1) % len(s.upstreams)
	d := login("s", "r")
	for i := 0; s.cluster.PrimaryOf(t, orderKey(d.Upstream)) == silent; i++ {
		d.Upstream = fmt.Sprint("e", i)
	}
	if _, err := s.PutUpstream(t.Context(), &tokenstorev1.Upstream{Name: d.Upstream, Driver: token.DriverCursor, BaseUrl: "https://example.com"}, 0); err != nil {
		t.Fatal(err)
	}
	renewed := create(t, s.Store, d)
	makeDue(t, s.Store, renewed)
	disabledUntil(t, s.Store, s.tokens[at], time.Now().Add(time.Hour))
	timeComes(t, s.Store, s.tokens[at])

	store := s.asInProduction(t)
	inTime := func(do func(ctx context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := do(ctx); err != nil {
			t.Fatal(err)
		}
	}
	next := func(ctx context.Context) error {
		for what, look := range map[string]func(context.Context) (time.Duration, error){"errand": store.NextErrand, "return": store.NextReturn} {
			if until, err := look(ctx); err != nil || until > 0 {
				return fmt.Errorf("the next %s is in %s: %w", what, until, err)
			}
		}
		return nil
	}
	inTime(next) // it knows the upstreams then
	s.cluster.Servers[silent].Pause(t)
	defer s.cluster.Servers[silent].Resume(t)
	inTime(next)
	inTime(func(ctx context.Context) error {
		errands, _, err := store.TakeErrands(ctx, MaxErrands, MaxErrands, nil)
		if err == nil && !slices.ContainsFunc(errands, func(each Errand) bool { return each.ID == renewed.GetId() }) {
			err = fmt.Errorf("took %v", errands)
		}
		return err
	})
	inTime(func(ctx context.Context) error {
		count, err := store.EnableDue(ctx)
		if _, is := errors.AsType[*leasing.Deferred](err); !is || count != 1 {
			return fmt.Errorf("%d were enabled: %w", count, err)
		}
		return nil
	})
}

// Whichever primary is away, tokens of the others whose time has come are enabled, and those of the
// pool that was away when it is back.
func TestAPrimaryThatIsAwayKeepsItsOwnTokensDisabledOnly(t *testing.T) {
	t.Parallel()
	for away := range 3 {
		t.Run(fmt.Sprint("primary ", away+1), func(t *testing.T) {
			t.Parallel()
			s := newSpreadStore(t)
			for _, id := range s.tokens {
				disabledUntil(t, s.Store, id, time.Now().Add(time.Hour))
			}
			enableDue(t, s.Store, 0)
			for _, id := range s.tokens {
				timeComes(t, s.Store, id)
			}
			s.cluster.Servers[away].Kill()
			if next, err := s.NextReturn(t.Context()); err != nil || next > 0 {
				t.Errorf("the next is to be enabled in %v, %v", next, err)
			}
			count, err := s.EnableDue(t.Context())
			part, is := errors.AsType[*leasing.Deferred](err)
			if count != len(s.tokens)-1 || !is {
				t.Fatalf("%d were enabled: %v", count, err)
			}
			s.mustName(t, "enable", part.Upstreams, away)
			for at := range s.upstreams {
				if at == away {
					continue
				}
				if _, err := s.take(t, at); err != nil {
					t.Errorf("the pool on primary %d: %v", at+1, err)
				}
			}

			s.cluster.Servers[away].Start(t)
			waitUntil(t, "the pool is back", func() bool {
				count, err := s.EnableDue(t.Context())
				return err == nil && count == 1
			})
			if _, err := s.take(t, away); err != nil {
				t.Error(err)
			}
		})
	}
}
