package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var beatScript = newScript("beat")

const (
	// silence is how long a gateway may say nothing and still count as running.
	silence = 5 * time.Second
	// countedTTL is how long it may say nothing and not be counted anew when it
	// comes back.
	countedTTL = 7 * 24 * time.Hour
	// maxVersion bounds a gateway's version, in bytes.
	maxVersion = 128
	// maxRequests bounds what a gateway may claim: Redis's scripts count exactly so
	// far.
	maxRequests = 1 << 50
	// givenUpFor is how long a call that a gateway gives up is told to all.
	givenUpFor = 10 * time.Second
	// maxGivenUp is how many are told, maxGivenUpAtOnce how many a beat may give up, and
	// maxCallID the length of each, in bytes. What is more is left out: it ends by itself.
	maxGivenUp       = 1024
	maxGivenUpAtOnce = 64
	maxCallID        = 64
	// maxNearBudgets bounds the kinds of budgets: four periods of three units.
	maxNearBudgets = 12
)

// Fleet is what all gateways together say.
type Fleet struct {
	// Requests are those that all gateways have ever counted.
	Requests uint64
	// StartedAt is when the first of all started.
	StartedAt time.Time
	// Replicas are those that run, by name.
	Replicas []*tokenstorev1.Replica
	// GivenUp are the calls that gateways have lately given up.
	GivenUp []string
}

// Active is how many requests are being answered.
func (f Fleet) Active() uint64 {
	var active uint64
	for _, replica := range f.Replicas {
		active += uint64(replica.GetActive())
	}
	return active
}

// Beat takes in what a gateway says of itself and answers what all of them do.
// givenUp are calls that it gives up. None of it waits for Redis's disk.
func (s *Store) Beat(ctx context.Context, replica *tokenstorev1.Replica, givenUp ...string) (Fleet, error) {
	if err := checkReplica(replica); err != nil {
		return Fleet{}, invalid(err)
	}
	record, err := proto.Marshal(replica)
	if err != nil {
		return Fleet{}, fmt.Errorf("replica: %w", err)
	}
	args := []any{
		replica.GetName(), record, replica.GetStartedAt().AsTime().UnixMicro(), replica.GetRequests(),
		silence.Milliseconds(), countedTTL.Milliseconds(), givenUpFor.Milliseconds(), maxGivenUp,
	}
	for _, id := range givenUp[:min(len(givenUp), maxGivenUpAtOnce)] {
		if len(id) <= maxCallID {
			args = append(args, id)
		}
	}
	keys := []string{fleetReplicasKey(), fleetTotalsKey(), fleetCountedKey(replica.GetName()), fleetGivenUpKey()}
	answer, err := beatScript.run(ctx, s.client, keys, args...).StringSlice()
	if err != nil {
		return Fleet{}, storeError("take in a beat", err)
	}
	return fleetOf(answer)
}

// Replicas returns the gateways that run, by name.
func (s *Store) Replicas(ctx context.Context) ([]*tokenstorev1.Replica, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, storeError("list gateways", err)
	}
	said, err := s.client.HVals(ctx, fleetReplicasKey()).Result()
	if err != nil {
		return nil, storeError("list gateways", err)
	}
	var replicas []*tokenstorev1.Replica
	for _, each := range said {
		ms, record, _ := strings.Cut(each, " ")
		at, err := strconv.ParseInt(ms, 10, 64)
		replica := &tokenstorev1.Replica{}
		if err = errors.Join(err, proto.Unmarshal([]byte(record), replica)); err != nil {
			return nil, fmt.Errorf("replica: %w", err)
		}
		if now.Sub(time.UnixMilli(at)) <= silence {
			replicas = append(replicas, replica)
		}
	}
	slices.SortFunc(replicas, func(a, b *tokenstorev1.Replica) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return replicas, nil
}

func checkReplica(replica *tokenstorev1.Replica) error {
	switch {
	case !replicaForm.MatchString(replica.GetName()):
		return errReplica
	case len(replica.GetVersion()) > maxVersion:
		return fmt.Errorf("version: at most %d bytes", maxVersion)
	case replica.GetStartedAt() == nil || replica.GetStartedAt().AsTime().UnixMicro() < 0:
		return errors.New("started_at: when the gateway started")
	case len(replica.GetNearBudgets()) > maxNearBudgets || slices.ContainsFunc(replica.GetNearBudgets(), misnamed):
		return fmt.Errorf("near_budgets: at most %d, each of a period and a unit", maxNearBudgets)
	case replica.GetRequests() > maxRequests:
		return fmt.Errorf("requests: at most %d", uint64(maxRequests))
	}
	return nil
}

// misnamed tells whether a budget is of no period or unit that there could be.
func misnamed(near *tokenstorev1.NearBudget) bool {
	return !replicaForm.MatchString(near.GetPeriod()) || !replicaForm.MatchString(near.GetUnit())
}

func fleetOf(answer []string) (Fleet, error) {
	const head = 3
	if len(answer) < head {
		return Fleet{}, fmt.Errorf("script beat answered %d values", len(answer))
	}
	requests, err := strconv.ParseUint(answer[0], 10, 64)
	started, wrong := strconv.ParseInt(answer[1], 10, 64)
	givenUp, wrongToo := strconv.Atoi(answer[2])
	if err = errors.Join(err, wrong, wrongToo); err != nil {
		return Fleet{}, fmt.Errorf("script beat: %w", err)
	}
	answer = answer[head:]
	if givenUp < 0 || givenUp > len(answer) {
		return Fleet{}, fmt.Errorf("script beat answered %d values of %d", len(answer), givenUp)
	}
	fleet := Fleet{Requests: requests, StartedAt: time.UnixMicro(started), GivenUp: answer[:givenUp]}
	for _, record := range answer[givenUp:] {
		replica := &tokenstorev1.Replica{}
		if err := proto.Unmarshal([]byte(record), replica); err != nil {
			return Fleet{}, fmt.Errorf("replica: %w", err)
		}
		fleet.Replicas = append(fleet.Replicas, replica)
	}
	slices.SortFunc(fleet.Replicas, func(a, b *tokenstorev1.Replica) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return fleet, nil
}
