package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/leasing"
)

// EventKind says what happened.
type EventKind int

// The kinds of events.
const (
	// Resync: events may have been missed; look at everything again.
	Resync EventKind = iota + 1
	// ConfigChanged: settings, upstreams or the admin token.
	ConfigChanged
	// Recalled: leases of Token from before Epoch must not be used any more.
	Recalled
	// Freed: a token of Upstream may have room again.
	Freed
	// SlotsWanted: demands for Upstream wait; slots held in reserve or lent ahead may help.
	SlotsWanted
	// DemandsWait: demands wait at a tokenstore, as Waiting says.
	DemandsWait
	// KeyChanged: client key Key was changed or deleted.
	KeyChanged
	// ErrandDue: somebody waits for an errand that is due since now.
	ErrandDue
	// KeyWanted: requests need what others have set aside of client key Key.
	KeyWanted
	// Forgetful: the server that has the pool of Upstream, or, where that is empty, all that there
	// is, was lost and may have forgotten its last second. It comes before the Resync.
	Forgetful
)

// Event is a change that this store or another one on the same Redis made.
type Event struct {
	Kind     EventKind
	Token    string
	Epoch    uint64
	Upstream string
	Waiting  leasing.Waiting
	Key      string
}

const (
	// idleLimit is how long a silent subscription is trusted before it is probed, and
	// idleLimitOfPrimary the same where there are other primaries to hear.
	idleLimit          = 5 * time.Second
	idleLimitOfPrimary = time.Second
	// Bounds of the pause after a lost connection.
	shortestPause = 50 * time.Millisecond
	longestPause  = time.Second
)

// Listen delivers events, one at a time and in order, until ctx ends. It begins
// with a Resync, and tells another one whenever the connection was lost and is
// back. deliver must not block.
func (s *Store) Listen(ctx context.Context, deliver func(Event)) {
	pause, heard := shortestPause, false
	lost := map[string]bool{} // the upstreams that are Forgetful
	for ctx.Err() == nil {
		primary := s.publisher(ctx)
		pools := s.poolsAt(ctx, primary)
		err := s.subscribe(ctx, primary, func(event Event) {
			pause = shortestPause
			if event.Kind == Resync {
				for upstream := range lost {
					s.errandsAway.note(upstream)
					deliver(Event{Kind: Forgetful, Upstream: upstream})
				}
				clear(lost)
				heard = true
			}
			deliver(event)
		})
		if ctx.Err() != nil {
			return
		}
		if heard { // what was before is no matter
			for _, upstream := range append(pools, s.poolsAt(ctx, primary)...) {
				lost[upstream] = true
			}
		}
		s.log.LogAttrs(ctx, slog.LevelDebug, "subscription lost", slog.Any("error", err))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// subscribe delivers events until the connection fails. A primary of a Cluster that does not answer
// counts as silent then; nil: the client chooses whom to hear.
func (s *Store) subscribe(ctx context.Context, primary *redis.Client, deliver func(Event)) error {
	from, limit := s.client, idleLimit
	if primary != nil {
		from, limit = primary, idleLimitOfPrimary
	}
	subscription := from.Subscribe(ctx, poolChannel, configChannel)
	// A read can't be cancelled; closing ends it. Closing twice is harmless.
	stop := context.AfterFunc(ctx, func() { _ = subscription.Close() })
	defer func() {
		stop()
		_ = subscription.Close()
	}()
	probed := false
	for {
		message, err := subscription.ReceiveTimeout(ctx, limit)
		switch {
		case err == nil:
			probed = false
			if event, known := s.eventOf(message); known {
				deliver(event)
			}
		case !timedOut(err):
			return err
		case probed:
			if primary != nil {
				s.silent.note(primary)
			}
			return err
		default:
			if err := subscription.Ping(ctx); err != nil {
				return err
			}
			probed = true
		}
	}
}

// publisher chooses the primary of a Cluster from which events are heard. Each server tells what is
// published on any, so one is taken by chance: the next time another, where that one is away. It is
// nil where none is known, or there is one server.
func (s *Store) publisher(ctx context.Context) *redis.Client {
	cluster, is := s.client.(*redis.ClusterClient)
	if !is {
		return nil
	}
	// It asks one of them, by chance, who they are, and takes those of before if that is silent.
	ctx, cancel := context.WithTimeout(ctx, awayTimeout)
	defer cancel()
	known, _ := mastersOf(ctx, cluster)
	primaries := slices.DeleteFunc(known, s.silent.is)
	if len(primaries) == 0 {
		return nil
	}
	return primaries[rand.IntN(len(primaries))] //nolint:gosec // whom to hear needs no secrecy
}

// poolsAt are the upstreams whose pools a primary of a Cluster has; "" where that is not known, or
// there is one server.
func (s *Store) poolsAt(ctx context.Context, primary *redis.Client) []string {
	cluster, is := s.client.(*redis.ClusterClient)
	seen := s.upstreamsSeen.Load()
	if !is || primary == nil || seen == nil {
		return []string{""}
	}
	var pools []string
	for _, upstream := range *seen {
		if has := primaryOf(ctx, cluster, orderKey(upstream)); has != nil && has.Options().Addr == primary.Options().Addr {
			pools = append(pools, upstream)
		}
	}
	return pools
}

func timedOut(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// eventOf reads what came from a subscription. The confirmation of a
// subscription comes at the start and after each reconnection.
func (s *Store) eventOf(message any) (Event, bool) {
	switch m := message.(type) {
	case *redis.Subscription:
		if m.Kind != "subscribe" || m.Channel != configChannel { // the second of the two
			return Event{}, false
		}
		s.credentials.forgetAll()
		s.knownKeys.forgetAll()
		s.clientKeys.stale.Store(true)
		return Event{Kind: Resync}, true
	case *redis.Message:
		event, known := parseEvent(m.Channel, m.Payload)
		if event.Kind == ConfigChanged {
			s.renewers.forget()
		}
		if event.Kind == Recalled {
			s.credentials.forget(event.Token)
		}
		if event.Kind == KeyChanged {
			s.knownKeys.forget(event.Key)
		}
		return event, known
	default:
		return Event{}, false
	}
}

func parseEvent(channel, payload string) (Event, bool) {
	if channel == configChannel {
		return Event{Kind: ConfigChanged}, true
	}
	verb, rest, _ := strings.Cut(payload, " ")
	switch verb {
	case "freed":
		return Event{Kind: Freed, Upstream: rest}, rest != ""
	case "wanted":
		return Event{Kind: SlotsWanted, Upstream: rest}, rest != ""
	case "errand":
		return Event{Kind: ErrandDue}, true
	case "waiting":
		return parseWaiting(rest)
	case "key":
		return Event{Kind: KeyChanged, Key: rest}, rest != ""
	case "keywanted":
		return Event{Kind: KeyWanted, Key: rest}, rest != ""
	case "recall":
		id, text, _ := strings.Cut(rest, " ")
		epoch, err := strconv.ParseUint(text, 10, 64)
		return Event{Kind: Recalled, Token: id, Epoch: epoch}, id != "" && err == nil
	default:
		return Event{}, false
	}
}

func parseWaiting(text string) (Event, bool) {
	parts := strings.Split(text, " ")
	if len(parts) != 3 {
		return Event{}, false
	}
	age, err := strconv.ParseUint(parts[2], 10, 31)
	waiting := leasing.Waiting{Upstream: parts[0], Desk: parts[1], For: time.Duration(age) * time.Millisecond}
	return Event{Kind: DemandsWait, Upstream: waiting.Upstream, Waiting: waiting}, err == nil && parts[0] != "" && parts[1] != ""
}
