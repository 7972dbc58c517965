package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/courier"
	"carousel.internal/tokenstore/internal/notify"
)

// ear is a webhook that notes what it is told: `+CarouselPoolDry u`.
type ear struct {
	*httptest.Server
	mu    sync.Mutex
	heard []string
	ids   []string
	// status is what it answers; 0: 200.
	status int
}

func newEar(t *testing.T) *ear {
	t.Helper()
	e := &ear{}
	e.Server = httptest.NewServer(http.HandlerFunc(e.hear))
	t.Cleanup(e.Close)
	return e
}

func (e *ear) hear(w http.ResponseWriter, r *http.Request) {
	var said struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	text, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(text, &said) // what is no JSON says nothing
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids = append(e.ids, r.Header.Get(courier.DeliveryHeader))
	if e.status != 0 {
		w.WriteHeader(e.status)
		return
	}
	for _, each := range said.Alerts {
		mark := map[string]string{"firing": "+", "resolved": "-"}[each.Status]
		e.heard = append(e.heard, mark+each.Labels["alertname"]+" "+each.Labels["upstream"])
	}
}

func (e *ear) answer(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = status
}

// told is what was heard since the last call, in order of the alphabet.
func (e *ear) told() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	heard := e.heard
	e.heard = nil
	slices.Sort(heard)
	return heard
}

// sky is what all notifiers of a test see.
type sky struct {
	mu    sync.Mutex
	pools []*tokenstorev1.PoolState
	away  error
}

func (s *sky) set(pools ...*tokenstorev1.PoolState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pools = pools
}

func (s *sky) observe(context.Context) (notify.Observation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return notify.Observation{Pools: s.pools}, nil
}

func (s *sky) usable(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.away
}

func (s *sky) notifier(store *Store) *notify.Notifier {
	return &notify.Notifier{Store: store, Courier: courier.New(), Usable: s.usable, Observe: s.observe, Log: slog.New(slog.DiscardHandler)}
}

func turn(t *testing.T, notifiers ...*notify.Notifier) {
	t.Helper()
	var turning sync.WaitGroup
	for _, each := range notifiers {
		turning.Go(func() {
			if _, err := each.Turn(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	turning.Wait()
}

func putHook(t *testing.T, store *Store, url string) *tokenstorev1.Destination {
	t.Helper()
	put, err := store.PutDestination(t.Context(), &tokenstorev1.Destination{Name: "hook"}, &url, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return put
}

func wantTold(t *testing.T, what string, e *ear, want ...string) {
	t.Helper()
	if got := e.told(); !slices.Equal(got, want) {
		t.Errorf("%s: told %q, want %q", what, got, want)
	}
}

var dry, well = &tokenstorev1.PoolState{Upstream: "u", Cooling: 1}, &tokenstorev1.PoolState{Upstream: "u", Ready: 1}

// Two tokenstores look at the same time, again and again: each beginning and each end is told once.
func TestTwoNotifiersTellOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		e, seen := newEar(t), &sky{}
		putHook(t, store, e.URL)
		one, other := seen.notifier(store), seen.notifier(store)
		for range 3 {
			seen.set(dry)
			for range 4 {
				turn(t, one, other)
			}
			wantTold(t, "it fires", e, "+CarouselPoolDry u")
			seen.set(well)
			for range 4 {
				turn(t, one, other)
			}
			wantTold(t, "it is over", e, "-CarouselPoolDry u")
		}
		deliveries, err := store.Deliveries(t.Context())
		if err != nil || len(deliveries) != 6 {
			t.Fatalf("%d are noted, %v", len(deliveries), err)
		}
		if last := deliveries[0]; last.GetOutcome() != "delivered" || last.GetResolved() != 1 || last.GetAttempt() != 1 || last.GetDestinationName() != "hook" || last.GetAt() == nil {
			t.Errorf("%v", last)
		}
	})
}

// expireLead has the leader's time be over, as if it had been silent for so long.
func expireLead(t *testing.T, store *Store) {
	t.Helper()
	if err := store.client.HSet(t.Context(), alertLeaderKey(), "until", 1).Err(); err != nil {
		t.Fatal(err)
	}
}

// frozen is a courier of a process that stands still, until it is thawed and fails.
type frozen chan struct{}

func (f frozen) Send(context.Context, notify.Destination, notify.Delivery) error {
	<-f
	return errors.New("it stood still")
}

// A leader that dies between its judgement and its telling leaves that to the next; what it had
// judged is not judged anew.
func TestALeaderThatDies(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		e, seen := newEar(t), &sky{}
		destination := putHook(t, store, e.URL)
		seen.set(dry)
		dies := seen.notifier(store)
		courier := make(frozen)
		dies.Courier = courier
		var standing sync.WaitGroup
		standing.Go(func() { turn(t, dies) })
		for deadline := time.Now().Add(time.Minute); ; {
			taken, err := store.client.HGet(t.Context(), deliveriesKey(), "n:"+destination.GetId()).Result()
			if err == nil && taken == "1" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("nothing was taken")
			}
		}
		next := seen.notifier(store)
		turn(t, next)
		wantTold(t, "the lead and the delivery are another's", e)
		expireLead(t, store)
		turn(t, next)
		wantTold(t, "the delivery is another's", e)
		if err := store.client.ZAdd(t.Context(), deliveriesDueKey(), redis.Z{Score: 1, Member: destination.GetId()}).Err(); err != nil {
			t.Fatal(err)
		}
		turn(t, next)
		wantTold(t, "taken over", e, "+CarouselPoolDry u")
		close(courier) // it comes back, and what it did counts no more
		standing.Wait()
		turn(t, next, dies)
		wantTold(t, "once", e)
	})
}

// What a leader has judged counts only in its own term.
func TestALeaderOfBefore(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		first, err := store.LeadAlerts(ctx, "one")
		if err != nil || first == nil {
			t.Fatalf("%v, %v", first, err)
		}
		if other, err := store.LeadAlerts(ctx, "other"); err != nil || other != nil {
			t.Fatalf("two lead: %v, %v", other, err)
		}
		again, err := store.LeadAlerts(ctx, "one")
		if err != nil || again == nil || again.Term != first.Term {
			t.Fatalf("%v, %v", again, err)
		}
		expireLead(t, store)
		if done, err := store.CommitAlerts(ctx, first, `{"memory":{}}`, nil); err != nil || done {
			t.Errorf("a leader whose time was over has judged: %v", err)
		}
		second, err := store.LeadAlerts(ctx, "other")
		if err != nil || second == nil || second.Term == first.Term {
			t.Fatalf("%v, %v", second, err)
		}
		if done, err := store.CommitAlerts(ctx, first, `{"memory":{}}`, nil); err != nil || done {
			t.Errorf("a leader of before has judged: %v", err)
		}
		if done, err := store.CommitAlerts(ctx, second, `{"memory":{}}`, nil); err != nil || !done {
			t.Errorf("the leader has not: %v", err)
		}
	})
}

// What a destination does not take is tried again later, under the same id; what it refuses for
// good is given up.
func TestDeliveriesThatFail(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		e, seen := newEar(t), &sky{}
		destination := putHook(t, store, e.URL)
		notifier := seen.notifier(store)
		due := func() {
			t.Helper()
			if err := store.client.ZAdd(t.Context(), deliveriesDueKey(), redis.Z{Score: 1, Member: destination.GetId()}).Err(); err != nil {
				t.Fatal(err)
			}
			turn(t, notifier)
		}
		e.answer(http.StatusServiceUnavailable)
		seen.set(dry)
		turn(t, notifier)
		turn(t, notifier)
		if n := len(e.ids); n != 1 {
			t.Errorf("%d attempts without a pause", n)
		}
		e.answer(0)
		due()
		wantTold(t, "tried again", e, "+CarouselPoolDry u")
		if len(e.ids) != 2 || e.ids[0] == "" || e.ids[0] != e.ids[1] {
			t.Errorf("ids %q", e.ids)
		}
		e.answer(http.StatusNotFound)
		seen.set(well)
		turn(t, notifier)
		e.answer(0)
		turn(t, notifier)
		wantTold(t, "given up", e)
		deliveries, err := store.Deliveries(t.Context())
		var came []string
		for _, each := range deliveries {
			came = append(came, each.GetOutcome())
		}
		if err != nil || !slices.Equal(came, []string{"given_up", "delivered", "failed"}) {
			t.Errorf("%q, %v", came, err)
		}
	})
}

// While Redis is away who led last tells so, and tells its end; who did not lead says nothing.
func TestAnOutageIsToldByWhoLed(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		e, seen := newEar(t), &sky{}
		putHook(t, store, e.URL)
		led, other := seen.notifier(store), seen.notifier(store)
		turn(t, led)
		turn(t, other)
		set := func(away error) {
			seen.mu.Lock()
			defer seen.mu.Unlock()
			seen.away = away
		}
		set(errors.New("Redis hangs"))
		for range 3 {
			turn(t, led, other)
		}
		wantTold(t, "away", e, "+CarouselStoreDown ")
		set(nil)
		for range 3 {
			turn(t, led, other)
		}
		wantTold(t, "back", e, "-CarouselStoreDown ")
		deliveries, err := store.Deliveries(t.Context())
		if err != nil || len(deliveries) != 2 {
			t.Errorf("%d are noted, %v", len(deliveries), err)
		}
	})
}

func TestSilencesAreKept(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		later := func(in time.Duration) *tokenstorev1.Silence {
			return &tokenstorev1.Silence{Alert: notify.PoolDry, Until: timestamp(time.Now().Add(in)), Comment: "we know"}
		}
		second, err := store.CreateSilence(ctx, later(2*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		first, err := store.CreateSilence(ctx, later(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		all, err := store.ActiveSilences(ctx)
		if err != nil || len(all) != 2 || all[0].GetId() != first.GetId() || all[1].GetComment() != "we know" {
			t.Fatalf("%v, %v", all, err)
		}
		if err := store.DeleteSilence(ctx, first.GetId()); err != nil {
			t.Error(err)
		}
		wantReason(t, store.DeleteSilence(ctx, first.GetId()), tokenstorev1.Reason_REASON_NOTIFICATION_NOT_FOUND)
		if all, err = store.ActiveSilences(ctx); err != nil || len(all) != 1 || all[0].GetId() != second.GetId() {
			t.Errorf("%v, %v", all, err)
		}
		for _, bad := range []*tokenstorev1.Silence{later(-time.Second), {Alert: "CarouselNothing", Until: timestamp(time.Now().Add(time.Hour))}, {}} {
			_, err := store.CreateSilence(ctx, bad)
			wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		}
		for range notify.MaxSilences - 1 {
			if _, err := store.CreateSilence(ctx, later(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		_, err = store.CreateSilence(ctx, later(time.Hour))
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}

// What is secret of a destination is in Redis only sealed, is kept by an edit that does not say it,
// and opens under its own id alone.
func TestDestinationsAreSealed(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		url, word := "https://hooks.example/services/T0/very-secret-path", "very-secret-word"
		put, err := store.PutDestination(ctx, &tokenstorev1.Destination{Name: "team", Kind: notify.Feishu}, &url, &word, 0)
		if err != nil {
			t.Fatal(err)
		}
		if put.GetMaskedUrl() != "https://hooks.example/…" || !put.GetHasSecret() || put.GetVersion() != 1 || put.GetSeverity() != "info" {
			t.Errorf("%v", put)
		}
		stored, err := store.client.HGetAll(ctx, destinationsKey()).Result()
		if err != nil || len(stored) != 1 || strings.Contains(stored[put.GetId()], "secret") || strings.Contains(stored[put.GetId()], "team") {
			t.Errorf("%v, %v", stored, err)
		}
		put.Name = "other"
		edited, err := store.PutDestination(ctx, put, nil, nil, 1)
		if err != nil || edited.GetVersion() != 2 || edited.GetName() != "other" {
			t.Fatalf("%v, %v", edited, err)
		}
		_, err = store.PutDestination(ctx, put, nil, nil, 1)
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		opened, err := store.NotifyDestination(ctx, put.GetId())
		if err != nil || opened.URL.Reveal() != url || opened.Secret.Reveal() != word {
			t.Errorf("%v, %v", opened, err)
		}
		if err := store.client.HSet(ctx, destinationsKey(), "moved", stored[put.GetId()]).Err(); err != nil {
			t.Fatal(err)
		}
		if all, err := store.NotifyDestinations(ctx); err != nil || len(all) != 1 {
			t.Errorf("%d open, %v", len(all), err)
		}
		if err := store.DeleteDestination(ctx, put.GetId(), 2); err != nil {
			t.Error(err)
		}
		wantReason(t, store.DeleteDestination(ctx, put.GetId(), 0), tokenstorev1.Reason_REASON_NOTIFICATION_NOT_FOUND)
		_, err = store.PutDestination(ctx, put, nil, nil, 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_NOTIFICATION_NOT_FOUND)
	})
}

func TestDestinationsAreBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		for range notify.MaxDestinations {
			putHook(t, store, "http://127.0.0.1:1/")
		}
		url := "http://127.0.0.1:1/"
		_, err := store.PutDestination(t.Context(), &tokenstorev1.Destination{Name: "one more"}, &url, nil, 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}
