package redisstore

import (
	"context"
	"sync"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// listen starts a listener that ends with the test.
func listen(t *testing.T, store *Store) <-chan Event {
	t.Helper()
	events := make(chan Event, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { store.Listen(ctx, func(event Event) { events <- event }) })
	t.Cleanup(func() {
		cancel()
		group.Wait()
	})
	return events
}

func wantEvent(t *testing.T, events <-chan Event, want Event) {
	t.Helper()
	deadline := time.After(testredis.Timeout)
	for {
		select {
		case got := <-events:
			if got == want {
				return
			}
		case <-deadline:
			t.Fatalf("no event %+v", want)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		events := listen(t, store)
		wantEvent(t, events, Event{Kind: Resync})
		id := create(t, store, draft("cursor", "T")).GetId()
		wantEvent(t, events, Event{Kind: Freed, Upstream: "cursor"})
		for i, step := range []struct {
			names  []string
			edit   token.Fields
			recall bool
		}{
			{[]string{token.Enabled}, token.Fields{Enabled: false}, true},
			{[]string{token.Enabled}, token.Fields{Enabled: true}, true},
			{[]string{token.Cap}, token.Fields{Cap: 1}, true},
			{[]string{token.Checksum}, token.Fields{}, true},
			{[]string{token.Alias, token.Weight, token.Tags}, token.Fields{Alias: "a", Weight: 2}, false},
		} {
			before, err := store.read(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.UpdateToken(ctx, id, step.edit, step.names, 0); err != nil {
				t.Fatal(err)
			}
			after, err := store.read(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			if recalled := after.epoch == before.epoch+1; recalled != step.recall {
				t.Errorf("edit %d: recalled %v", i, recalled)
			}
			if step.recall {
				wantEvent(t, events, Event{Kind: Recalled, Token: id, Epoch: after.epoch})
			}
			wantEvent(t, events, Event{Kind: Freed, Upstream: "cursor"})
		}
		last, _ := store.read(ctx, id)
		if err := store.DeleteToken(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
		wantEvent(t, events, Event{Kind: Recalled, Token: id, Epoch: last.epoch + 1})
		if _, err := store.UpdateSettings(ctx, SettingsUpdate{Settings: &tokenstorev1.Settings{}, Names: []string{"log_prompts"}}); err != nil {
			t.Fatal(err)
		}
		wantEvent(t, events, Event{Kind: ConfigChanged})
	})
}

// Who waits for an errand is not kept until somebody looks for one by chance.
func TestALoginTellsThatAnErrandIsDue(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		events := listen(t, store)
		wantEvent(t, events, Event{Kind: Resync})
		if _, err := store.CreateLogin(t.Context(), begun("a")); err != nil {
			t.Fatal(err)
		}
		wantEvent(t, events, Event{Kind: ErrandDue})
	})
}

func TestListenComesBack(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t, "--appendfsync", "always")
	store := newStore(t, server.Client(t))
	events := listen(t, store)
	wantEvent(t, events, Event{Kind: Resync})
	server.Kill()
	server.Start(t)
	wantEvent(t, events, Event{Kind: Forgetful})
	wantEvent(t, events, Event{Kind: Resync})
	create(t, store, draft("cursor", "T"))
	wantEvent(t, events, Event{Kind: Freed, Upstream: "cursor"})
}

func TestStrangeMessagesAreNoEvents(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{"", "freed", "recall", "recall x", "recall x y", "recall  1", "other x", "waiting", "waiting u", "waiting u d", "waiting u d x", "waiting u d -1", "waiting  d 1", "waiting u d 1 2", "key", "key ", "keywanted"} {
		if event, known := parseEvent(poolChannel, payload); known {
			t.Errorf("%q is %+v", payload, event)
		}
	}
}

func TestEventsOfKeys(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]Event{"key a": {Kind: KeyChanged, Key: "a"}, "keywanted a": {Kind: KeyWanted, Key: "a"}} {
		if event, known := parseEvent(poolChannel, payload); !known || event != want {
			t.Errorf("%q is %+v", payload, event)
		}
	}
}

func TestWhoWaitsIsToldToEveryDesk(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		events := listen(t, store)
		wantEvent(t, events, Event{Kind: Resync})
		waiting := leasing.Waiting{Upstream: "cursor", Desk: "D1", For: 1500 * time.Millisecond}
		if err := store.Announce(t.Context(), waiting); err != nil {
			t.Fatal(err)
		}
		wantEvent(t, events, Event{Kind: DemandsWait, Upstream: "cursor", Waiting: waiting})
	})
}
