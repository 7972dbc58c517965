package redisstore

import (
	"math"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/token"
)

// disabledUntil disables a token until a time.
func disabledUntil(t *testing.T, store *Store, id string, until time.Time) *tokenstorev1.Token {
	t.Helper()
	got, err := store.UpdateToken(t.Context(), id, token.Fields{DisabledUntil: until}, []string{token.DisabledUntil}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// timeComes has the time come until which a token is disabled.
func timeComes(t *testing.T, store *Store, id string) {
	t.Helper()
	pool := poolOf(t, store, id)
	if err := store.client.HSet(t.Context(), tokenKey(pool, id), "disabled_until", never).Err(); err != nil {
		t.Fatal(err)
	}
	if err := standScript.run(t.Context(), store.client, []string{poolIDsKey(pool)}, id).Err(); err != nil {
		t.Fatal(err)
	}
}

func enableDue(t *testing.T, store *Store, want int) {
	t.Helper()
	if got, err := store.EnableDue(t.Context()); err != nil || got != want {
		t.Fatalf("%d tokens were enabled, not %d: %v", got, want, err)
	}
}

// nextReturn fails the test unless the next token is to be enabled within some times.
func nextReturn(t *testing.T, store *Store, least, most time.Duration) {
	t.Helper()
	if got, err := store.NextReturn(t.Context()); err != nil || got < least || got > most {
		t.Errorf("the next token is to be enabled in %v, not in %v to %v: %v", got, least, most, err)
	}
}

// served tells whether a request gets the token.
func served(t *testing.T, store *Store, id string) bool {
	t.Helper()
	taken, _, err := store.Acquire(t.Context(), leasing.Wanted{Upstream: poolOf(t, store, id), TokenID: id, Count: 1, TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return len(taken) == 1
}

func TestATokenThatIsDisabledUntilATimeComesBackByItself(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		id := trusted(t, store, create(t, store, draft("cursor", "T1")))
		until := time.Now().Add(time.Hour).Truncate(time.Millisecond)
		off := disabledUntil(t, store, id, until)
		if off.GetEnabled() || !off.GetDisabledUntil().AsTime().Equal(until) || off.GetState() != tokenstorev1.TokenState_TOKEN_STATE_DISABLED {
			t.Errorf("it is %v", off)
		}
		enableDue(t, store, 0)
		nextReturn(t, store, 59*time.Minute, time.Hour)
		if served(t, store, id) {
			t.Error("it serves although its time has not come")
		}

		timeComes(t, store, id)
		nextReturn(t, store, math.MinInt64, 0)
		if shown, err := store.Token(t.Context(), id); err != nil || !shown.GetEnabled() || shown.GetDisabledUntil() != nil {
			t.Errorf("from its time on it is shown as enabled: %v, %v", shown, err)
		}
		enableDue(t, store, 1)
		enableDue(t, store, 0)
		on, err := store.Token(t.Context(), id)
		if err != nil || !on.GetEnabled() || on.GetDisabledUntil() != nil || on.GetVersion() <= off.GetVersion() {
			t.Errorf("it is %v, %v; it was %v", on, err, off)
		}
		if !served(t, store, id) {
			t.Error("it does not serve")
		}
		told, _, err := store.ListActivity(t.Context(), ActivityFilter{Kind: "enabled", Account: id}, 10, "")
		if err != nil || len(told) != 1 {
			t.Errorf("the activity tells %d times that it was enabled by itself: %v", len(told), err)
		}
	})
}

func TestWhatEndsTheTimeOfADisabledToken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(t *testing.T, store *Store, id string)
		// enabled is what it is when the time comes.
		enabled bool
	}{
		"it is enabled, and disabled again": {func(t *testing.T, store *Store, id string) {
			for _, enabled := range []bool{true, false} {
				if _, err := store.UpdateToken(t.Context(), id, token.Fields{Enabled: enabled}, []string{token.Enabled}, 0); err != nil {
					t.Fatal(err)
				}
			}
		}, false},
		"it is disabled without a time": {func(t *testing.T, store *Store, id string) {
			if _, err := store.UpdateToken(t.Context(), id, token.Fields{}, []string{token.Enabled}, 0); err != nil {
				t.Fatal(err)
			}
		}, false},
		"another field is changed": {func(t *testing.T, store *Store, id string) {
			if _, err := store.UpdateToken(t.Context(), id, token.Fields{Cap: 3}, []string{token.Cap}, 0); err != nil {
				t.Fatal(err)
			}
		}, true},
		"it is deleted, and restored": {func(t *testing.T, store *Store, id string) {
			if err := store.DeleteToken(t.Context(), id, 0); err != nil {
				t.Fatal(err)
			}
			enableDue(t, store, 0)
			if _, err := store.RestoreToken(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, store *Store) {
				id := trusted(t, store, create(t, store, draft("cursor", "T1")))
				disabledUntil(t, store, id, time.Now().Add(time.Hour))
				test.change(t, store, id)
				until := store.client.HExists(t.Context(), tokenKey("cursor", id), "disabled_until").Val()
				if until != test.enabled {
					t.Fatalf("it has a time: %v", until)
				}
				if until {
					timeComes(t, store, id)
					enableDue(t, store, 1)
				}
				if got := served(t, store, id); got != test.enabled {
					t.Errorf("it serves: %v", got)
				}
			})
		})
	}
}

func TestATokenComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		verdict leasing.Verdict
		want    tokenstorev1.TokenState
	}{
		"it cools":     {leasing.Verdict{Class: "quota", CoolFor: []time.Duration{20 * time.Minute}}, tokenstorev1.TokenState_TOKEN_STATE_COOLING},
		"it is parked": {leasing.Verdict{Class: "auth", CoolFor: []time.Duration{0}}, tokenstorev1.TokenState_TOKEN_STATE_PARKED},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, store *Store) {
				id := trusted(t, store, create(t, store, draft("cursor", "T1")))
				taken, _, err := store.Acquire(t.Context(), leasing.Wanted{Upstream: "cursor", Count: 1, TTL: time.Minute})
				if err != nil || len(taken) != 1 {
					t.Fatal(taken, err)
				}
				settlement := leasing.Settlement{LeaseRef: taken[0].LeaseRef, Effect: leasing.Failed, Verdict: &test.verdict}
				if _, err := store.Settle(t.Context(), []leasing.Settlement{settlement}); err != nil {
					t.Fatal(err)
				}
				disabledUntil(t, store, id, time.Now().Add(time.Hour))
				timeComes(t, store, id)
				enableDue(t, store, 1)
				if got, err := store.Token(t.Context(), id); err != nil || got.GetState() != test.want {
					t.Errorf("it is %v, %v", got, err)
				}
				if served(t, store, id) {
					t.Error("it serves")
				}
			})
		})
	}
}
