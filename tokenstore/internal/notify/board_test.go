package notify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var start = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// play is a board that is looked at every minute.
type play struct {
	t        *testing.T
	board    Board
	now      time.Time
	patience time.Duration
	to       []Destination
	silences []Silence
	busy     []string
}

func newPlay(t *testing.T) *play {
	return &play{t: t, board: Board{Alerts: map[string]*Standing{}}, now: start, patience: LongestHold, to: []Destination{hook("a")}}
}

func hook(id string) Destination {
	d := Destination{Destination: &tokenstorev1.Destination{Id: id, Name: "hook " + id}}
	d.Complete()
	return d
}

// look plays a minute with the pools as they are, and returns what is told: `a +CarouselPoolDry`.
func (p *play) look(pools ...*tokenstorev1.PoolState) []string {
	return p.see(Observation{Pools: pools})
}

func (p *play) see(seen Observation) []string {
	p.t.Helper()
	p.now = p.now.Add(time.Minute)
	seen.At = p.now
	text, err := p.board.encode()
	if err != nil {
		p.t.Fatal(err)
	}
	if p.board, err = ReadBoard(text); err != nil { // each look may be another leader's
		p.t.Fatal(err)
	}
	p.board.look(seen, p.patience)
	var told []string
	for _, each := range p.board.deliveries(p.to, p.silences, p.busy, p.now, p.patience) {
		words := []string{each.Destination}
		for _, alert := range each.Firing {
			words = append(words, "+"+alert.Name)
		}
		for _, alert := range each.Resolved {
			words = append(words, "-"+alert.Name)
		}
		slices.Sort(words[1:])
		told = append(told, strings.Join(words, " "))
	}
	return told
}

func (p *play) want(what string, got []string, want ...string) {
	p.t.Helper()
	if !slices.Equal(got, want) {
		p.t.Errorf("%s: told %q, want %q", what, got, want)
	}
}

func pool(upstream string, ready, cooling uint32) *tokenstorev1.PoolState {
	return &tokenstorev1.PoolState{Upstream: upstream, Ready: ready, Cooling: cooling}
}

// An alert is told once when it has lasted, and once when it is over for a minute.
func TestAnAlertIsToldOnceAndItsEndOnce(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	p.want("well", p.look(pool("u", 1, 0)))
	p.want("seen", p.look(pool("u", 0, 1)))
	p.want("for a minute", p.look(pool("u", 0, 1)))
	p.want("grouped", p.look(pool("u", 0, 1)), "a +CarouselPoolDry")
	p.want("told", p.look(pool("u", 0, 1)))
	p.want("gone", p.look(pool("u", 1, 0)))
	p.want("back within a minute", p.look(pool("u", 0, 1)))
	p.want("gone again", p.look(pool("u", 1, 0)))
	p.want("for a minute", p.look(pool("u", 1, 0)))
	p.want("over", p.look(pool("u", 1, 0)), "a -CarouselPoolDry")
	p.want("told", p.look(pool("u", 1, 0)))
	if len(p.board.Alerts) != 0 {
		t.Errorf("%d alerts are left", len(p.board.Alerts))
	}
}

func TestWhatDoesNotLastIsNotTold(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	for range 5 {
		p.want("dry", p.look(pool("u", 0, 1)))
		p.want("well", p.look(pool("u", 1, 0)))
	}
}

// What comes within seconds of each other is one message a destination.
func TestAlertsAreGrouped(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	p.to = []Destination{hook("a"), hook("b")}
	var pools []*tokenstorev1.PoolState
	for i := range 3 {
		pools = append(pools, pool(fmt.Sprint("u", i), 0, 2))
	}
	for range 2 {
		p.want("not yet", p.look(pools...))
	}
	all := " +CarouselPoolDry +CarouselPoolDry +CarouselPoolDry"
	p.want("fire", p.look(pools...), "a"+all, "b"+all)
}

func TestAPatienceOfNothingTellsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	p.patience = 0
	p.want("parked", p.look(&tokenstorev1.PoolState{Upstream: "u", Ready: 9, Parked: 1}), "a +CarouselTokenParked")
	p.want("gone", p.look(pool("u", 9, 0)), "a -CarouselTokenParked")
}

// A destination hears of what it asks for.
func TestDestinationsChoose(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		choose func(*tokenstorev1.Destination)
		fire   []string
		over   []string
	}{
		"all":              {func(*tokenstorev1.Destination) {}, []string{"a +CarouselPoolDry +CarouselTokenParked"}, []string{"a -CarouselPoolDry -CarouselTokenParked"}},
		"only critical":    {func(d *tokenstorev1.Destination) { d.Severity = "critical" }, []string{"a +CarouselPoolDry"}, []string{"a -CarouselPoolDry"}},
		"by name":          {func(d *tokenstorev1.Destination) { d.Alerts = []string{TokenParked} }, []string{"a +CarouselTokenParked"}, []string{"a -CarouselTokenParked"}},
		"no recoveries":    {func(d *tokenstorev1.Destination) { d.WithoutRecoveries = true }, []string{"a +CarouselPoolDry +CarouselTokenParked"}, nil},
		"nothing any more": {func(d *tokenstorev1.Destination) { d.Disabled = true }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlay(t)
			p.patience = 0
			test.choose(p.to[0].Destination)
			p.want("fire", p.look(&tokenstorev1.PoolState{Upstream: "u", Parked: 1}), test.fire...)
			p.want("over", p.look(pool("u", 1, 0)), test.over...)
			if len(p.board.Alerts) != 0 {
				t.Errorf("%d alerts are left", len(p.board.Alerts))
			}
		})
	}
}

// A silence keeps quiet what was not told. What was told has its end told, and what outlives the
// silence is told then.
func TestSilences(t *testing.T) {
	t.Parallel()
	silence := func(alert, upstream string) []Silence {
		return []Silence{{&tokenstorev1.Silence{Alert: alert, Upstream: upstream}}}
	}
	for name, test := range map[string]struct {
		silences []Silence
		quiet    bool
	}{
		"of all":             {silence("", ""), true},
		"of the alert":       {silence(PoolDry, ""), true},
		"of the upstream":    {silence("", "u"), true},
		"of another alert":   {silence(PoolShort, "u"), false},
		"of another's alert": {silence(PoolDry, "v"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlay(t)
			p.patience = 0
			p.silences = test.silences
			want := []string{"a +CarouselPoolDry"}
			if test.quiet {
				p.want("silenced", p.look(pool("u", 0, 1)))
				p.silences = nil
			}
			p.want("heard", p.look(pool("u", 0, 1)), want...)
			p.silences = test.silences
			p.want("over", p.look(pool("u", 1, 0)), "a -CarouselPoolDry")
		})
	}
	p := newPlay(t)
	p.patience, p.silences = 0, silence("", "")
	p.want("silenced", p.look(pool("u", 0, 1)))
	p.want("over meanwhile", p.look(pool("u", 1, 0)))
	p.silences = nil
	p.want("never told", p.look(pool("u", 1, 0)))
}

// What an admin has acknowledged is known, and not told.
func TestAcknowledgedCausesAreNotTold(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	p.patience = 0
	open := func(known bool) *tokenstorev1.PoolState {
		cause := &tokenstorev1.SharedCause{Class: "auth"}
		if known {
			cause.AcknowledgedAt = timestamppb.New(start)
		}
		return &tokenstorev1.PoolState{Upstream: "u", Ready: 3, Causes: []*tokenstorev1.SharedCause{cause}}
	}
	p.want("known", p.look(open(true)))
	p.want("known no longer", p.look(open(false)), "a +CarouselGuardOpen")
	p.want("known again", p.look(open(true)))
	p.want("over", p.look(pool("u", 3, 0)), "a -CarouselGuardOpen")
}

// Who has a delivery on its way hears of the rest with the next one; of what was over by then,
// nothing.
func TestABusyDestinationWaits(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	p.patience, p.busy = 0, []string{"a"}
	p.want("busy", p.look(pool("u", 0, 1), pool("v", 0, 1)))
	p.want("still", p.look(pool("u", 0, 1), pool("v", 1, 0)))
	p.busy = nil
	p.want("free", p.look(pool("u", 0, 1), pool("v", 1, 0)), "a +CarouselPoolDry")
}

// A destination that is new hears of what fires already.
func TestANewDestinationIsToldWhatFires(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	p.patience = 0
	p.want("one", p.look(pool("u", 0, 1)), "a +CarouselPoolDry")
	p.to = append(p.to, hook("b"))
	p.want("another", p.look(pool("u", 0, 1)), "b +CarouselPoolDry")
	p.to = p.to[1:] // the first is deleted
	p.want("over", p.look(pool("u", 1, 0)), "b -CarouselPoolDry")
}

// However much is wrong, the board has a bound.
func TestTheBoardIsBounded(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	p.patience = 0
	var pools []*tokenstorev1.PoolState
	for i := range 1000 {
		pools = append(pools, &tokenstorev1.PoolState{Upstream: fmt.Sprintf("u%03d", i), Parked: 1, Expired: 1})
	}
	p.look(pools...)
	if n, samples := len(p.board.Alerts), len(p.board.Memory.Usable); n != maxFindings || samples != maxUpstreams {
		t.Errorf("%d alerts, samples of %d pools", n, samples)
	}
}

func TestABoardThatCanNotBeRead(t *testing.T) {
	t.Parallel()
	if _, err := ReadBoard("{"); err == nil {
		t.Error("it was read")
	}
}
