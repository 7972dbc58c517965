package redisstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

func route(name, match string) *tokenstorev1.Route {
	return &tokenstorev1.Route{Name: name, Match: match, Targets: []*tokenstorev1.RouteTarget{{Upstream: "openai", Model: "m", Weight: 1}}}
}

func putRoute(t *testing.T, store *Store, put *tokenstorev1.Route) *tokenstorev1.Route {
	t.Helper()
	now, err := store.PutRoute(t.Context(), put, 0)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// routesOf has what each route matches, and its version.
func routesOf(t *testing.T, store *Store) string {
	t.Helper()
	routes, err := store.Routes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, each := range routes {
		all = append(all, fmt.Sprintf("%s=%s@%d", each.GetName(), each.GetMatch(), each.GetVersion()))
	}
	return strings.Join(all, " ")
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		if got := routesOf(t, store); got != "" {
			t.Errorf("at first: %s", got)
		}
		put := route("fast", "")
		put.Targets = append(put.Targets, &tokenstorev1.RouteTarget{Upstream: "not-there-yet", Priority: 2, Weight: 7})
		put.Parameters = []*tokenstorev1.RouteParameter{{Name: "reasoning_effort", Value: `"low"`}, {Name: "top_p", Value: "0.5", OnlyDefault: true}}
		put.Version = 99
		want := proto.CloneOf(put)
		want.Match, want.Version = "fast", 1
		if got := putRoute(t, store, put); !proto.Equal(got, want) {
			t.Errorf("put: %v", got)
		}
		putRoute(t, store, route("claude", "claude-*"))
		listed, err := store.Routes(ctx)
		if err != nil || len(listed) != 2 || listed[0].GetName() != "claude" || !proto.Equal(listed[1], want) {
			t.Errorf("listed: %v, %v", listed, err)
		}
		snapshot, err := store.Snapshot(ctx)
		if err != nil || len(snapshot.GetRoutes()) != 2 || !proto.Equal(snapshot.GetRoutes()[1], want) {
			t.Errorf("watched: %v, %v", snapshot.GetRoutes(), err)
		}

		if now, err := store.PutRoute(ctx, route("fast", "faster"), 1); err != nil || now.GetVersion() != 2 {
			t.Errorf("replaced: %v, %v", now, err)
		}
		_, err = store.PutRoute(ctx, route("fast", "fast"), 1)
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		_, err = store.PutRoute(ctx, route("new", ""), 1)
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		_, err = store.PutRoute(ctx, route("Fast", ""), 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		if got := routesOf(t, store); got != "claude=claude-*@1 fast=faster@2" {
			t.Errorf("afterwards: %s", got)
		}

		wantReason(t, store.DeleteRoute(ctx, "fast", 1), tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		wantReason(t, store.DeleteRoute(ctx, "nothing", 0), tokenstorev1.Reason_REASON_ROUTE_NOT_FOUND)
		for _, name := range []string{"fast", "claude"} {
			if err := store.DeleteRoute(ctx, name, 0); err != nil {
				t.Error(err)
			}
		}
		wantReason(t, store.DeleteRoute(ctx, "fast", 0), tokenstorev1.Reason_REASON_ROUTE_NOT_FOUND)
		if left := store.client.Exists(ctx, routesKey(), routeVersionsKey(), routeMatchesKey()).Val(); left != 0 {
			t.Errorf("%d keys are left of routes", left)
		}
	})
}

// What a route matches is its own until it matches something else, or is gone.
func TestAMatchIsOfOneRoute(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		putRoute(t, store, route("one", "gpt-*"))
		refused := func(put *tokenstorev1.Route, owner string) {
			t.Helper()
			_, err := store.PutRoute(ctx, put, 0)
			if wantReason(t, err, tokenstorev1.Reason_REASON_ALREADY_EXISTS); !strings.Contains(err.Error(), `"`+owner+`"`) {
				t.Errorf("it names not %s: %v", owner, err)
			}
		}
		refused(route("two", "gpt-*"), "one")
		if seeded, err := store.SeedRoute(ctx, route("two", "gpt-*")); seeded || !rpcerr.Is(err, tokenstorev1.Reason_REASON_ALREADY_EXISTS) {
			t.Errorf("seeded: %v, %v", seeded, err)
		}
		putRoute(t, store, route("two", "two"))
		refused(route("two", "gpt-*"), "one")
		putRoute(t, store, route("one", "gpt-*"))
		putRoute(t, store, route("one", "gpt-5*"))
		putRoute(t, store, route("two", "gpt-*"))
		refused(route("one", "gpt-*"), "two")
		if err := store.DeleteRoute(ctx, "two", 0); err != nil {
			t.Fatal(err)
		}
		putRoute(t, store, route("one", "gpt-*"))
		if got := routesOf(t, store); got != "one=gpt-*@4" {
			t.Errorf("afterwards: %s", got)
		}
	})
}

// Of many that want the same match at once, one gets it; and routes that swap theirs never
// have the same.
func TestARaceForAMatch(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	stores := []*Store{newStore(t, client), newStore(t, client)}
	ctx := t.Context()
	var won atomic.Int32
	var racing sync.WaitGroup
	for i := range 20 {
		racing.Go(func() {
			_, err := stores[i%2].PutRoute(ctx, route(fmt.Sprint("r", i), "wanted"), 0)
			if err == nil {
				won.Add(1)
			} else if !rpcerr.Is(err, tokenstorev1.Reason_REASON_ALREADY_EXISTS) {
				t.Error(err)
			}
		})
	}
	racing.Wait()
	if won.Load() != 1 {
		t.Errorf("%d have won", won.Load())
	}
	for i := range 3 {
		racing.Go(func() {
			for n := range 30 {
				_, err := stores[i%2].PutRoute(ctx, route(fmt.Sprint("s", i), fmt.Sprint("m", (i+n)%3)), 0)
				if err != nil && !rpcerr.Is(err, tokenstorev1.Reason_REASON_ALREADY_EXISTS) {
					t.Error(err)
				}
			}
		})
	}
	racing.Wait()
	routes, err := stores[0].Routes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	matches := client.HGetAll(ctx, routeMatchesKey()).Val()
	for _, each := range routes {
		if matches[each.GetMatch()] != each.GetName() {
			t.Errorf("%s is of %q, as kept of %q", each.GetMatch(), each.GetName(), matches[each.GetMatch()])
		}
	}
	if len(matches) != len(routes) {
		t.Errorf("%d matches of %d routes: %v", len(matches), len(routes), matches)
	}
}

func TestRoutesAreBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		filler := map[string]any{}
		for i := range token.MaxRoutes - 1 {
			filler[fmt.Sprint("r", i)] = fmt.Sprintf(`{"name":"r%d","match":"r%d","targets":[{"upstream":"a","weight":1}]}`, i, i)
		}
		if err := store.client.HSet(ctx, routesKey(), filler).Err(); err != nil {
			t.Fatal(err)
		}
		putRoute(t, store, route("last", ""))
		_, err := store.PutRoute(ctx, route("one-more", ""), 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		if _, err := store.SeedRoute(ctx, route("one-more", "")); !rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT) {
			t.Error(err)
		}
		putRoute(t, store, route("last", "another"))
		if routes, err := store.Routes(ctx); err != nil || len(routes) != token.MaxRoutes {
			t.Errorf("%d routes, %v", len(routes), err)
		}
	})
}

// A route that another version of the program has left, and this one can't use, is left out.
func TestRoutesThatCantBeRead(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		putRoute(t, store, route("good", ""))
		for name, text := range map[string]string{
			"broken": "{", "later": `{"name":"later","match":"a*b*","targets":[{"upstream":"openai","weight":1}]}`,
		} {
			if err := store.client.HSet(t.Context(), routesKey(), name, text).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if got := routesOf(t, store); got != "good=good@1" {
			t.Errorf("got %s", got)
		}
	})
}

// The configuration's routes are a start: what an admin has made of them stays.
func TestRoutesAreSeededOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		if created, err := store.SeedRoute(ctx, route("fast", "")); err != nil || !created {
			t.Fatal(created, err)
		}
		putRoute(t, store, route("fast", "changed"))
		if created, err := store.SeedRoute(ctx, route("fast", "")); err != nil || created {
			t.Errorf("again: %v, %v", created, err)
		}
		if got := routesOf(t, store); got != "fast=changed@2" {
			t.Errorf("got %s", got)
		}
	})
}

// A change reaches all who listen.
func TestAChangedRouteIsTold(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		events := listen(t, store)
		wantEvent(t, events, Event{Kind: Resync})
		putRoute(t, store, route("fast", ""))
		wantEvent(t, events, Event{Kind: ConfigChanged})
		if err := store.DeleteRoute(t.Context(), "fast", 0); err != nil {
			t.Fatal(err)
		}
		wantEvent(t, events, Event{Kind: ConfigChanged})
	})
}

// A route names upstreams that need not exist, and outlives them.
func TestARouteOutlivesItsUpstream(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		putRoute(t, store, route("fast", ""))
		if err := store.DeleteUpstream(t.Context(), "openai", 0); err != nil {
			t.Fatal(err)
		}
		if got := routesOf(t, store); got != "fast=fast@1" {
			t.Errorf("got %s", got)
		}
	})
}

// Whoever changes a route hears that it is done when that is on disk.
func TestChangesOfRoutesWaitForTheDisk(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Start(t))
	putRoute(t, store, route("fast", ""))
	store.barrier.Barrier = BarrierFunc(func(context.Context) error { return notSaved("the disk is full") })
	if _, err := store.PutRoute(t.Context(), route("slow", ""), 0); !isUnavailable(err) {
		t.Errorf("a put: %v", err)
	}
	if _, err := store.SeedRoute(t.Context(), route("seed", "")); !isUnavailable(err) {
		t.Errorf("a seed: %v", err)
	}
	if err := store.DeleteRoute(t.Context(), "fast", 0); !isUnavailable(err) {
		t.Errorf("a deletion: %v", err)
	}
}
