package redisstore

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"carousel.internal/proto/service/secret"
	"carousel.internal/tokenstore/internal/testredis"
)

// errands is a store with tokens to refresh, beside what must be true of their errands.
type errands struct {
	*Store
	t *testing.T
	r *rapid.T
	// ids are of the tokens, and refresh what each is refreshed with.
	ids     []string
	refresh map[string]string
	// hand is the errand that is in hand, by token; due are tokens of which one is to be
	// handed out.
	hand map[string]ErrandRef
	due  map[string]bool
	// ever are all that were ever handed out.
	ever []ErrandRef
	n    int
}

func (e *errands) must(err error) {
	e.t.Helper()
	if err != nil {
		e.r.Fatal(err)
	}
}

func (e *errands) any() string { return rapid.SampledFrom(e.ids).Draw(e.r, "token") }

// Due makes refreshes due, as time does.
func (e *errands) Due(*rapid.T) {
	id := e.any()
	if _, held := e.hand[id]; held {
		e.r.Skip("it is in hand")
	}
	redisZ(e.t, e.Store, refreshesKey("cursor"), id, 0)
	e.due[id] = true
}

// Lapse lets the time pass for which an errand stays in hand without word.
func (e *errands) Lapse(*rapid.T) {
	id := e.any()
	if _, held := e.hand[id]; !held {
		e.r.Skip("it is in no hand")
	}
	redisZ(e.t, e.Store, refreshesKey("cursor"), id, 0)
	e.due[id] = true // and the one in hand may still end it, until another has taken it
}

// Take hands out each that is due, once.
func (e *errands) Take(r *rapid.T) {
	room := rapid.IntRange(1, 4).Draw(r, "room")
	taken, _, err := e.TakeErrands(e.t.Context(), room, room, nil)
	e.must(err)
	if want := min(room, len(e.due)); len(taken) != want {
		r.Fatalf("%d were handed out of %d that are due, with room for %d", len(taken), len(e.due), room)
	}
	for _, errand := range taken {
		if !e.due[errand.ID] {
			r.Fatalf("%s was handed out and is not due", errand.ID)
		}
		if before, held := e.hand[errand.ID]; held && before.Epoch >= errand.Epoch {
			r.Fatalf("epoch %d after %d", errand.Epoch, before.Epoch)
		}
		if got := errand.Refresh.Token.Reveal(); got != e.refresh[errand.ID] {
			r.Fatalf("%s is to be refreshed with %s, not %s", errand.ID, got, e.refresh[errand.ID])
		}
		delete(e.due, errand.ID)
		e.hand[errand.ID] = errand.ErrandRef
		e.ever = append(e.ever, errand.ErrandRef)
	}
}

// Prolong says which of the errands are the caller's no more.
func (e *errands) Prolong(r *rapid.T) {
	if len(e.ever) == 0 {
		r.Skip("there is none")
	}
	held := rapid.SliceOfNDistinct(rapid.SampledFrom(e.ever), 1, min(len(e.ever), 3), func(ref ErrandRef) ErrandRef { return ref }).Draw(r, "held")
	_, lost, err := e.TakeErrands(e.t.Context(), 0, 0, held)
	e.must(err)
	for _, ref := range held {
		if mine := e.hand[ref.ID] == ref; mine == slices.Contains(lost, ref) {
			r.Fatalf("%+v is in hand: %v; lost %v", ref, mine, lost)
		} else if mine {
			delete(e.due, ref.ID)
		}
	}
}

// Settle ends an errand: any that was ever handed out, in any way.
func (e *errands) Settle(r *rapid.T) {
	if len(e.ever) == 0 {
		r.Skip("there is none")
	}
	ref := rapid.SampledFrom(e.ever).Draw(r, "errand")
	ctx, key := e.t.Context(), tokenKey("cursor", ref.ID)
	before := e.client.HGetAll(ctx, key).Val()
	planned := e.client.ZScore(ctx, refreshesKey("cursor"), ref.ID).Val()
	mine := e.hand[ref.ID] == ref
	var stale bool
	var err error
	switch how := rapid.SampledFrom([]string{"grant", "rotate", "postpone", "refuse"}).Draw(r, "how"); how {
	case "grant", "rotate":
		e.n++
		granted := Granted{Access: secret.New(fmt.Sprint("access", e.n)), Expires: time.Now().Add(time.Hour)}
		if how == "rotate" {
			granted.Refresh = secret.New(fmt.Sprint("r", e.n))
		}
		if stale, err = e.GrantRefresh(ctx, ref, granted); !stale && how == "rotate" {
			e.refresh[ref.ID] = granted.Refresh.Reveal()
		}
	case "refuse":
		if stale, err = e.RefuseRefresh(ctx, ref, "no"); !stale && err == nil {
			_, err = e.ReleaseToken(ctx, ref.ID, "admin") // it is tried again
			defer func() { e.due[ref.ID] = true }()
		}
	default:
		stale, err = e.PostponeRefresh(ctx, ref, "busy", time.Hour)
	}
	e.must(err)
	if stale == mine {
		r.Fatalf("%+v: stale %v, in hand %v", ref, stale, mine)
	}
	if mine {
		delete(e.hand, ref.ID)
		delete(e.due, ref.ID)
		return
	}
	after := e.client.HGetAll(ctx, key).Val()
	if !maps.Equal(before, after) || e.client.ZScore(ctx, refreshesKey("cursor"), ref.ID).Val() != planned {
		r.Fatalf("a stale end has changed %v to %v", before, after)
	}
}

// In any order of takes, words and ends, an errand is in one live hand, a stale end changes
// nothing, and what a caller that died had in hand goes to the next one.
func TestErrandsAreInOneHand(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Start(t)) // Lapse says when an errand is in hand no more
	if err := store.client.HSet(t.Context(), clockKey("cursor"), "questions", "whole").Err(); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		e := &errands{Store: store, t: t, r: r, refresh: map[string]string{}, hand: map[string]ErrandRef{}, due: map[string]bool{}}
		for i := range 3 {
			e.n++
			d := login(fmt.Sprint("u", i), fmt.Sprint("first", e.n))
			created, err := store.CreateToken(t.Context(), d)
			e.must(err)
			e.ids, e.refresh[created.GetId()] = append(e.ids, created.GetId()), d.Refresh.Reveal()
			redisZ(t, store, questionsKey("cursor"), created.GetId(), ever)
		}
		r.Repeat(map[string]func(*rapid.T){"due": e.Due, "lapse": e.Lapse, "take": e.Take, "prolong": e.Prolong, "settle": e.Settle})
		for _, id := range e.ids {
			e.must(store.DeleteToken(t.Context(), id, 0))
		}
		if left := store.client.ZCard(t.Context(), refreshesKey("cursor")).Val(); left != 0 {
			r.Fatalf("%d refreshes of deleted tokens", left)
		}
	})
}
