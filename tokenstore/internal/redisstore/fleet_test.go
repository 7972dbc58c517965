package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// What gateways say of budgets and outages is kept with them, and who is silent is not told.
func TestReplicasAreThoseThatRun(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		replica := &tokenstorev1.Replica{
			Name: "g1", StartedAt: timestamppb.Now(), LogDropped: 3, DegradedMs: 4000, NearBudgets: []*tokenstorev1.NearBudget{{Period: "day", Unit: "usd", Keys: 2}},
		}
		if _, err := store.Beat(ctx, replica); err != nil {
			t.Fatal(err)
		}
		if err := store.client.HSet(ctx, fleetReplicasKey(), "gone", "1000 ").Err(); err != nil {
			t.Fatal(err)
		}
		replicas, err := store.Replicas(ctx)
		if err != nil || len(replicas) != 1 || !proto.Equal(replicas[0], replica) {
			t.Errorf("%v, %v", replicas, err)
		}
		for _, wrong := range [][]*tokenstorev1.NearBudget{{{Period: "a day"}}, make([]*tokenstorev1.NearBudget, 13)} {
			replica.NearBudgets = wrong
			_, err := store.Beat(ctx, replica)
			wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		}
	})
}

func names(fleet Fleet) string {
	var all []string
	for _, replica := range fleet.Replicas {
		all = append(all, replica.GetName())
	}
	return strings.Join(all, " ")
}

// Gateways come, count, are silent, come back and go.
func TestFleet(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	client, setTime := testredis.MiniAt(t, now)
	store := newStore(t, client)
	began := map[string]time.Time{"g1": now.Add(-time.Minute), "g2": now.Add(-time.Hour - time.Microsecond), "g3": now}
	for _, beat := range []struct {
		what     string
		after    time.Duration
		name     string
		requests uint64
		active   uint32
		// What all say then.
		total, nowActive uint64
		running          string
		first            string
	}{
		{"a first one", 0, "g1", 0, 0, 0, 0, "g1", "g1"},
		{"it counts", time.Second, "g1", 5, 2, 5, 2, "g1", "g1"},
		{"it says so again", time.Second, "g1", 5, 1, 5, 1, "g1", "g1"},
		{"an older one, with a past", 0, "g2", 7, 3, 12, 4, "g1 g2", "g2"},
		{"a beat that was delayed", 0, "g2", 6, 3, 12, 4, "g1 g2", "g2"},
		{"what is new counts", 0, "g2", 9, 0, 14, 1, "g1 g2", "g2"},
		{"a third, and g1 is not yet silent for too long", 5 * time.Second, "g3", 1, 1, 15, 2, "g1 g2 g3", "g2"},
		{"now they are", time.Millisecond, "g3", 1, 0, 15, 0, "g3", "g2"},
		{"one comes back, after days", 48 * time.Hour, "g1", 6, 0, 16, 0, "g1", "g2"},
	} {
		now = now.Add(beat.after)
		setTime(now)
		fleet, err := store.Beat(t.Context(), &tokenstorev1.Replica{
			Name: beat.name, StartedAt: timestamppb.New(began[beat.name]), Requests: beat.requests, Active: beat.active,
		})
		if err != nil {
			t.Fatal(err)
		}
		if fleet.Requests != beat.total || fleet.Active() != beat.nowActive || names(fleet) != beat.running || !fleet.StartedAt.Equal(began[beat.first]) {
			t.Errorf("%s: %d requests, %d active, %s run, since %v", beat.what, fleet.Requests, fleet.Active(), names(fleet), fleet.StartedAt)
		}
	}
}

func TestFleetKnowsItsReplicas(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		replica := &tokenstorev1.Replica{
			Name: "host-1-a", Version: "1.2.3\n 4", StartedAt: timestamppb.Now(), Requests: 1 << 40, Active: 1,
			LogAccepted: 3, LogPending: 2, LogDropped: 1,
		}
		fleet, err := store.Beat(t.Context(), replica)
		if err != nil || len(fleet.Replicas) != 1 || fleet.Requests != 1<<40 {
			t.Fatal(fleet, err)
		}
		if diff := cmp.Diff(replica, fleet.Replicas[0], protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		for name, change := range map[string]func(*tokenstorev1.Replica){
			"name":     func(r *tokenstorev1.Replica) { r.Name = "a b" },
			"no name":  func(r *tokenstorev1.Replica) { r.Name = "" },
			"version":  func(r *tokenstorev1.Replica) { r.Version = strings.Repeat("1", 129) },
			"no start": func(r *tokenstorev1.Replica) { r.StartedAt = nil },
			"start":    func(r *tokenstorev1.Replica) { r.StartedAt = &timestamppb.Timestamp{Seconds: -1} },
			"too many": func(r *tokenstorev1.Replica) { r.Requests = 1<<50 + 1 },
		} {
			bad := &tokenstorev1.Replica{Name: "g2", StartedAt: timestamppb.Now()}
			change(bad)
			_, err := store.Beat(t.Context(), bad)
			if wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT); t.Failed() {
				t.Fatal(name)
			}
		}
	})
}

// What a gateway gives up all are told for ten seconds, and no longer.
func TestCallsThatAreGivenUp(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	client, setTime := testredis.MiniAt(t, now)
	store := newStore(t, client)
	for _, beat := range []struct {
		what    string
		after   time.Duration
		givenUp []string
		told    string
	}{
		{"none", 0, nil, ""},
		{"two", 0, []string{"call_a", "call_b"}, "call_a call_b"},
		{"another gateway is told", time.Second, nil, "call_a call_b"},
		{"again, and one more; a long one is left out", 5 * time.Second, []string{"call_c", "call_a", strings.Repeat("x", 65)}, "call_b call_a call_c"},
		{"the oldest is over", 4*time.Second + time.Millisecond, nil, "call_a call_c"},
		{"all are", 6 * time.Second, nil, ""},
	} {
		now = now.Add(beat.after)
		setTime(now)
		fleet, err := store.Beat(t.Context(), &tokenstorev1.Replica{Name: "g1", StartedAt: timestamppb.Now()}, beat.givenUp...)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(fleet.GivenUp, " "); got != beat.told || names(fleet) != "g1" {
			t.Errorf("%s: told %q of %q", beat.what, got, names(fleet))
		}
	}
}

// There is a bound on what a beat gives up, and on what is told.
func TestHowManyCallsAreGivenUp(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		replica := &tokenstorev1.Replica{Name: "g1", StartedAt: timestamppb.Now()}
		var fleet Fleet
		for round := range maxGivenUp/maxGivenUpAtOnce + 1 {
			ids := make([]string, 2*maxGivenUpAtOnce)
			for i := range ids {
				ids[i] = fmt.Sprintf("call_%03d_%03d", round, i)
			}
			var err error
			if fleet, err = store.Beat(t.Context(), replica, ids...); err != nil {
				t.Fatal(err)
			}
			if round == 0 && len(fleet.GivenUp) != maxGivenUpAtOnce {
				t.Fatalf("%d at once", len(fleet.GivenUp))
			}
		}
		if len(fleet.GivenUp) != maxGivenUp || names(fleet) != "g1" {
			t.Errorf("%d are told, %q run", len(fleet.GivenUp), names(fleet))
		}
		if ttl, err := store.client.PTTL(t.Context(), fleetGivenUpKey()).Result(); err != nil || ttl <= 0 || ttl > givenUpFor {
			t.Error(ttl, err)
		}
	})
}
