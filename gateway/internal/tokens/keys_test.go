package tokens

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// fakeKeys is a KeyService that knows some secrets.
type fakeKeys struct {
	mu     sync.Mutex
	keys   map[[32]byte]*tokenstorev1.ResolveKeyResponse
	asked  int
	most   int // at a time
	now    int
	away   bool
	silent bool
	panics bool
	// slow is how long an answer takes.
	slow time.Duration
}

func (f *fakeKeys) ResolveKey(ctx context.Context, request *tokenstorev1.ResolveKeyRequest, _ ...grpc.CallOption) (*tokenstorev1.ResolveKeyResponse, error) {
	f.mu.Lock()
	f.asked++
	f.now++
	f.most = max(f.most, f.now)
	away, silent, panics, slow, found := f.away, f.silent, f.panics, f.slow, f.keys[[32]byte(request.GetSecretHash())]
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
	}()
	time.Sleep(slow)
	switch {
	case panics:
		panic("of the store's")
	case silent:
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	case away:
		return nil, status.Error(codes.Unavailable, "away")
	case found == nil || found.GetKey().GetId() != request.GetId():
		return nil, rpcerr.New(tokenstorev1.Reason_REASON_KEY_NOT_FOUND, "there is no such key")
	}
	return found, nil
}

func (f *fakeKeys) GetKey(context.Context, *tokenstorev1.GetKeyRequest, ...grpc.CallOption) (*tokenstorev1.GetKeyResponse, error) {
	return nil, rpcerr.New(tokenstorev1.Reason_REASON_KEY_NOT_FOUND, "there is no such key")
}

// has makes a secret the key's.
func (f *fakeKeys) has(secret caller.Secret, key *tokenstorev1.ClientKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys == nil {
		f.keys = map[[32]byte]*tokenstorev1.ResolveKeyResponse{}
	}
	key.Id = secret.ID
	f.keys[secret.Hash] = &tokenstorev1.ResolveKeyResponse{Key: key}
}

func (f *fakeKeys) set(change func(*fakeKeys)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// questions is how many the store has been asked since the last time.
func (f *fakeKeys) questions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = 0
	return asked
}

func secretOf(name string) caller.Secret {
	return caller.Secret{ID: name, Hash: sha256.Sum256([]byte(name))}
}

// keysOf makes Keys in a bubble; hears can be switched off.
func keysOf(store *fakeKeys) (keys *Keys, hears *atomic.Bool) {
	hears = &atomic.Bool{}
	hears.Store(true)
	return NewKeys(store, hears.Load), hears
}

func nameOf(t *testing.T, keys *Keys, secret caller.Secret) (string, error) {
	t.Helper()
	key, _, err := keys.Find(t.Context(), secret, false)
	if err != nil {
		return "", err
	}
	return key.Name, nil
}

// A key is asked for once, and again when the store says that it has changed.
func TestAKeyIsRememberedUntilItChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, secret := &fakeKeys{}, secretOf("k")
		keys, _ := keysOf(store)
		for _, step := range []struct {
			what      string
			do        func()
			name      string // of the key that is found; empty: none
			questions int
		}{
			{"unknown", func() {}, "", 1},
			{"still unknown", func() {}, "", 0},
			{"unknown for some seconds only", func() { time.Sleep(strangerTrust) }, "", 1},
			{"created, and told", func() { store.has(secret, &tokenstorev1.ClientKey{Name: "one"}); keys.Changed("k") }, "one", 1},
			{"long after", func() { time.Sleep(24 * time.Hour) }, "one", 0},
			{"another has changed", func() { keys.Changed("other") }, "one", 0},
			{"renamed, and told", func() { store.has(secret, &tokenstorev1.ClientKey{Name: "two"}); keys.Changed("k") }, "two", 1},
			{"another session", func() { keys.Changed("") }, "two", 1},
			{"deleted, and told", func() { store.set(func(f *fakeKeys) { clear(f.keys) }); keys.Changed("k") }, "", 1},
			{"found to be deleted", func() { store.has(secret, &tokenstorev1.ClientKey{Name: "three"}); keys.Changed("") }, "three", 1},
			{"by another session", func() { store.set(func(f *fakeKeys) { clear(f.keys) }); keys.Changed("") }, "", 1},
		} {
			step.do()
			name, err := nameOf(t, keys, secret)
			if name != step.name || (name == "") != errors.Is(err, caller.ErrUnknownKey) {
				t.Errorf("%s: %q, %v", step.what, name, err)
			}
			if got := store.questions(); got != step.questions {
				t.Errorf("%s: %d questions, want %d", step.what, got, step.questions)
			}
		}
	})
}

// While no session works the store is asked every second; where it can't be reached, what is known
// goes on, and what is not known is not refused as wrong.
func TestKeysInAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, secret := &fakeKeys{}, secretOf("k")
		store.has(secret, &tokenstorev1.ClientKey{Name: "one"})
		keys, hears := keysOf(store)
		if _, err := nameOf(t, keys, secret); err != nil {
			t.Fatal(err)
		}
		store.questions()
		for _, step := range []struct {
			what      string
			do        func()
			name      string
			questions int
		}{
			{"no session for long", func() { time.Sleep(time.Hour); hears.Store(false) }, "one", 1},
			{"asked just now", func() { time.Sleep(keyTrust / 2) }, "one", 0},
			{"disabled unheard", func() { time.Sleep(keyTrust); store.has(secret, &tokenstorev1.ClientKey{Name: "disabled"}) }, "disabled", 1},
			{"away", func() { time.Sleep(keyTrust); store.set(func(f *fakeKeys) { f.away = true }) }, "disabled", 1},
			{"away, and asked just now", func() { time.Sleep(keyTrust / 2) }, "disabled", 0},
			{"silent", func() { time.Sleep(keyTrust); store.set(func(f *fakeKeys) { f.silent = true }) }, "disabled", 1},
			{"another session, but no answer", func() { hears.Store(true); keys.Changed("") }, "disabled", 1},
			{"no answer just now", func() {}, "disabled", 0},
			{"asked again", func() {
				time.Sleep(keyTrust)
				store.set(func(f *fakeKeys) { f.away, f.silent = false, false })
				store.has(secret, &tokenstorev1.ClientKey{Name: "enabled"})
			}, "enabled", 1},
			{"and believed", func() { time.Sleep(time.Hour) }, "enabled", 0},
		} {
			step.do()
			began := time.Now()
			if name, err := nameOf(t, keys, secret); name != step.name {
				t.Errorf("%s: %q, %v", step.what, name, err)
			}
			if waited := time.Since(began); waited > confirmTime {
				t.Errorf("%s: took %v", step.what, waited)
			}
			if got := store.questions(); got != step.questions {
				t.Errorf("%s: %d questions, want %d", step.what, got, step.questions)
			}
		}
		store.set(func(f *fakeKeys) { f.away = true })
		_, err := nameOf(t, keys, secretOf("another"))
		if failure := chat.AsError(err); failure == nil || failure.Kind != chat.StoreUnavailable || failure.RetryAfter <= 0 {
			t.Errorf("an unknown one: %v", err)
		}
		keys.Changed("k") // something of it is not as it was
		if name, err := nameOf(t, keys, secret); chat.AsError(err) == nil || chat.AsError(err).Kind != chat.StoreUnavailable {
			t.Errorf("a changed one: %q, %v", name, err)
		}
	})
}

// All who want to know the same wait for one answer. Who asks after a change is not given an
// answer from before it, nor is that remembered.
func TestOneQuestionForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, known := range []bool{true, false} {
			store, secret := &fakeKeys{slow: 100 * time.Millisecond}, secretOf("k")
			keys, _ := keysOf(store)
			if known {
				store.has(secret, &tokenstorev1.ClientKey{Name: "before"})
			}
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if name, err := nameOf(t, keys, secret); known && name != "before" || !known && !errors.Is(err, caller.ErrUnknownKey) {
						t.Errorf("known %t: %q, %v", known, name, err)
					}
				})
			}
			synctest.Wait()
			if asked := store.questions(); asked != 1 {
				t.Errorf("known %t: %d questions", known, asked)
			}
			store.has(secret, &tokenstorev1.ClientKey{Name: "after"})
			keys.Changed("k")
			for range 2 {
				all.Go(func() {
					if name, err := nameOf(t, keys, secret); name != "after" {
						t.Errorf("known %t, after the change: %q, %v", known, name, err)
					}
				})
				all.Wait()
			}
			if asked := store.questions(); asked != 1 {
				t.Errorf("known %t, after the change: %d questions", known, asked)
			}
		}
	})
}

// A tokenstore that has just gone is not the end while another one answers.
func TestALookupOutlivesAShortOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, secret := &fakeKeys{away: true}, secretOf("k")
		store.has(secret, &tokenstorev1.ClientKey{Name: "one"})
		keys, _ := keysOf(store)
		time.AfterFunc(awayPatience/2, func() { store.set(func(f *fakeKeys) { f.away = false }) })
		if name, err := nameOf(t, keys, secret); name != "one" {
			t.Errorf("%q, %v", name, err)
		}
		store.set(func(f *fakeKeys) { f.away = true })
		began := time.Now()
		if _, err := nameOf(t, keys, secretOf("another")); err == nil || time.Since(began) > lookupTime {
			t.Errorf("of a store that stays away: %v after %v", err, time.Since(began))
		}
	})
}

// The client that asked first may hang up; the others get their answer.
func TestWhoAsksFirstMayLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, secret := &fakeKeys{slow: 100 * time.Millisecond}, secretOf("k")
		store.has(secret, &tokenstorev1.ClientKey{Name: "one"})
		keys, _ := keysOf(store)
		gone, leave := context.WithCancel(t.Context())
		go func() { _, _, _ = keys.Find(gone, secret, false) }()
		synctest.Wait()
		leave()
		if name, err := nameOf(t, keys, secret); name != "one" {
			t.Errorf("%q, %v", name, err)
		}
	})
}

// Guesses from addresses that have sent too many hold up neither known keys nor the lookups of
// others.
func TestGuessesDoNotCrowdOutOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeKeys{slow: 100 * time.Millisecond}
		keys, _ := keysOf(store)
		known, fresh := secretOf("known"), secretOf("fresh")
		store.has(known, &tokenstorev1.ClientKey{Name: "known"})
		store.has(fresh, &tokenstorev1.ClientKey{Name: "fresh"})
		if _, err := nameOf(t, keys, known); err != nil {
			t.Fatal(err)
		}
		store.set(func(f *fakeKeys) { f.most = 0 })
		var guesses sync.WaitGroup
		var turnedAway atomic.Int32
		for i := range 200 {
			guesses.Go(func() {
				_, _, err := keys.Find(t.Context(), secretOf(fmt.Sprint("guess ", i)), true)
				if failure := (*chat.Error)(nil); errors.As(err, &failure) && failure.Kind == chat.Overloaded {
					turnedAway.Add(1)
				} else if !errors.Is(err, caller.ErrUnknownKey) {
					t.Errorf("guess %d: %v", i, err)
				}
			})
		}
		synctest.Wait()
		store.set(func(f *fakeKeys) {
			if f.most != maxSuspectLookups {
				t.Errorf("%d guesses at a time", f.most)
			}
		})
		began := time.Now()
		if _, _, err := keys.Find(t.Context(), known, true); err != nil || time.Since(began) > 0 {
			t.Errorf("the known one, from the guesser's address: %v after %v", err, time.Since(began))
		}
		if _, _, err := keys.Find(t.Context(), fresh, false); err != nil || time.Since(began) > 100*time.Millisecond {
			t.Errorf("one from elsewhere: %v after %v", err, time.Since(began))
		}
		guesses.Wait()
		if turnedAway.Load() == 0 {
			t.Error("guesses wait without an end")
		}
		if len(keys.asking) > 0 || len(keys.turns) > 0 || len(keys.suspectTurns) > 0 {
			t.Error("something is left behind")
		}
	})
}

// Memory is bounded; the keys that are in use stay.
func TestKeysAreBounded(t *testing.T) {
	t.Parallel()
	store := &fakeKeys{}
	keys, _ := keysOf(store)
	for i := range maxStrangers + 100 {
		_, _ = nameOf(t, keys, secretOf(fmt.Sprint("stranger ", i)))
	}
	if len(keys.strangers) > maxStrangers {
		t.Errorf("%d strangers", len(keys.strangers))
	}
	used := secretOf("used")
	store.has(used, &tokenstorev1.ClientKey{Name: "used"})
	for i := range maxKeys + 1000 {
		secret := secretOf(fmt.Sprint("key ", i))
		store.has(secret, &tokenstorev1.ClientKey{})
		_, _ = nameOf(t, keys, secret)
		_, _ = nameOf(t, keys, used)
	}
	if len(keys.known) > maxKeys {
		t.Errorf("%d keys", len(keys.known))
	}
	store.questions()
	if _, err := nameOf(t, keys, used); err != nil || store.questions() > 0 {
		t.Errorf("the one in use is forgotten: %v", err)
	}
}

// A key has two secrets for a while; both are known, with what ends the old one.
func TestBothSecretsOfAKey(t *testing.T) {
	t.Parallel()
	store := &fakeKeys{}
	keys, _ := keysOf(store)
	end := time.Unix(1_800_000_000, 0).UTC()
	secrets := []caller.Secret{{ID: "k", Hash: [32]byte{1}}, {ID: "k", Hash: [32]byte{2}}, {ID: "k", Hash: [32]byte{3}}}
	for _, secret := range secrets {
		store.has(secret, &tokenstorev1.ClientKey{Name: "one"})
	}
	store.keys[secrets[0].Hash].SecretUntil = timestamppb.New(end)
	for range 2 {
		for i, want := range []time.Time{end, {}} {
			if _, until, err := keys.Find(t.Context(), secrets[i], false); err != nil || !until.Equal(want) {
				t.Errorf("secret %d: until %v, %v", i, until, err)
			}
		}
	}
	if asked := store.questions(); asked != 2 {
		t.Errorf("%d questions", asked)
	}
	if _, _, err := keys.Find(t.Context(), secrets[2], false); err != nil || len(keys.known["k"]) != secretsOfKey {
		t.Errorf("a third: %v, %d are known", err, len(keys.known["k"]))
	}
}

func TestKeyOfTheStore(t *testing.T) {
	t.Parallel()
	end := time.Unix(1_800_000_000, 0).UTC()
	got, err := keyOf(&tokenstorev1.ClientKey{
		Id: "k", Name: "n", Disabled: true, ExpiresAt: timestamppb.New(end), Models: []string{"m"}, Networks: []string{"192.0.2.0/24"}, Scopes: []string{"pool:read"},
		Limits: []*tokenstorev1.KeyLimit{{Unit: tokenstorev1.KeyUnit_KEY_UNIT_USD, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK, Amount: 7, TimeZone: "Europe/Berlin"}},
	})
	want := &caller.Key{
		ID: "k", Name: "n", Disabled: true, ExpiresAt: end, Models: []string{"m"}, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Scopes: []caller.Scope{caller.PoolRead},
		Limits: []caller.Limit{{Unit: caller.USD, Period: caller.Week, Amount: 7, TimeZone: "Europe/Berlin"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, odd := range map[string]*tokenstorev1.ClientKey{
		"a network of another kind": {Networks: []string{"office"}},
		"a limit of another unit":   {Limits: []*tokenstorev1.KeyLimit{{Unit: 99, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_DAY}}},
		"a limit of another period": {Limits: []*tokenstorev1.KeyLimit{{Unit: tokenstorev1.KeyUnit_KEY_UNIT_USD, Period: 99}}},
	} {
		if key, err := keyOf(odd); err == nil || !strings.Contains(err.Error(), "earlier version") {
			t.Errorf("%s: %+v, %v", name, key, err)
		}
	}
}

// What a known key costs a request:
//
//	go test -run '^$' -bench Keys ./internal/tokens
func BenchmarkKeys(b *testing.B) {
	for _, count := range []int{1, 10_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			store := &fakeKeys{}
			keys, _ := keysOf(store)
			var last caller.Secret
			for i := range count {
				last = secretOf(fmt.Sprint(i))
				store.has(last, &tokenstorev1.ClientKey{})
				_, _, _ = keys.Find(b.Context(), last, false)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := keys.Find(b.Context(), last, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A panic of who asks leaves no question behind that nobody answers.
func TestAQuestionWhoseAskerPanicsIsAskedAgain(t *testing.T) {
	t.Parallel()
	store := &fakeKeys{panics: true}
	secret := secretOf("a")
	store.has(secret, &tokenstorev1.ClientKey{Name: "anna"})
	keys, _ := keysOf(store)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = nameOf(t, keys, secret)
	}()
	store.set(func(f *fakeKeys) { f.panics = false })
	if name, err := nameOf(t, keys, secret); name != "anna" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
}
