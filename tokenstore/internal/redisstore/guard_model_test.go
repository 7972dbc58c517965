package redisstore

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"carousel.internal/tokenstore/internal/leasing"
)

// modelGuard is what the model knows of failures that tokens share; all are of one
// class. Times are those of Redis, in ms: which of them passes when is the test's.
type modelGuard struct {
	// failed, first and well are the window: the tokens that failed for a model, the
	// request that was the first to, and the tokens that served it and have not failed since. fell
	// is when each last failed at all; fellAt tells it of one that failed in the present step.
	failed map[string]map[string]bool
	first  map[string]string
	well   map[string]map[string]bool
	fell   map[string]int64
	fellAt func(tokenID string) int64
	open   bool
	causes map[string]*modelCause
	calm   map[string]bool
}

type modelCause struct {
	since, began          int64
	failures, allow, left int
	// due: the present step is over.
	due bool
}

const sharedClass = "auth"

func newModelGuard() *modelGuard {
	g := &modelGuard{causes: map[string]*modelCause{}, calm: map[string]bool{}}
	g.forget()
	return g
}

// forget ends the window.
func (g *modelGuard) forget() {
	g.open, g.failed, g.first, g.well = false, map[string]map[string]bool{}, map[string]string{}, map[string]map[string]bool{}
	g.fell = map[string]int64{}
}

// lets is how many leases a cause lets out; any: there is none.
func (g *modelGuard) lets(wanted leasing.Wanted) (leases int, any bool) {
	cause := g.causes[wanted.Model]
	switch {
	case cause == nil:
		return 0, true
	case cause.due:
		return max(cause.allow*2, 1), false
	default:
		return cause.left, false
	}
}

func (g *modelGuard) granted(model string, n int) {
	cause := g.causes[model]
	if cause == nil {
		return
	}
	if cause.due {
		cause.allow = max(cause.allow*2, 1)
		cause.left, cause.due = cause.allow, false
	}
	cause.left -= n
	if cause.allow > 64 {
		delete(g.causes, model)
	}
}

// stampOf is when the lease was taken, in ms.
func stampOf(lease leasing.LeaseRef) int64 {
	µs, _ := strconv.ParseInt(strings.Split(lease.LeaseID, "-")[1], 10, 64) // the script's own
	return µs / 1000
}

func (g *modelGuard) serves(lease leasing.LeaseRef, model string) {
	if g.open && stampOf(lease) >= g.fell[lease.TokenID] { // which is 0 where it has not failed
		put(g.well, model, lease.TokenID)
	}
	if cause := g.causes[model]; cause != nil && stampOf(lease) >= cause.since {
		delete(g.causes, model)
		g.calm[model] = true
	}
}

func put(sets map[string]map[string]bool, name, member string) {
	if sets[name] == nil {
		sets[name] = map[string]bool{}
	}
	sets[name][member] = true
}

// failure is one that tokens may have alike.
type failure struct {
	leasing.LeaseRef
	Model, RequestID string
}

// witness answers alone, shared or tripped.
func (g *modelGuard) witness(f failure) string {
	if cause := g.causes[f.Model]; cause != nil {
		if cause.allow > 0 && stampOf(f.LeaseRef) >= cause.began {
			cause.failures++
			cause.allow, cause.left, cause.due = 0, 0, false
		}
		return "shared"
	}
	g.open = true
	put(g.failed, f.Model, f.TokenID)
	g.fell[f.TokenID] = g.fellAt(f.TokenID)
	delete(g.well[f.Model], f.TokenID)
	if _, known := g.first[f.Model]; !known {
		g.first[f.Model] = f.RequestID
	}
	failed := len(g.failed[f.Model])
	if failed < 3 || failed < 3*len(g.well[f.Model]) || f.RequestID != "" && f.RequestID == g.first[f.Model] || g.calm[f.Model] {
		return "alone"
	}
	g.causes[f.Model] = &modelCause{since: ever, due: true} // what is under way was taken before
	g.forget()
	return "tripped"
}

// fellAt is when a token failed last, by the clock of Redis; later than anything where the same
// step has ended the window meanwhile.
func (m *machine) fellAt(tokenID string) int64 {
	at, err := m.client.HGet(m.t.Context(), windowKey(somewhere), "fell "+tokenID).Int64()
	if errors.Is(err, redis.Nil) {
		return math.MaxInt64
	}
	m.must(err)
	return at
}

// WitnessSome takes a failure down, of a request that may have ended or not.
func (m *machine) WitnessSome(t *rapid.T) {
	f := failure{
		LeaseRef: m.anyLeases(t)[0], Model: rapid.SampledFrom(modelNames).Draw(t, "model"),
		RequestID: rapid.SampledFrom([]string{"r1", "r2", ""}).Draw(t, "request"),
	}
	if m.tokens[f.TokenID] == nil {
		t.Skip("a token that is gone fails no more")
	}
	failed := m.guard.failed[f.Model]
	settled, err := m.judge(m.t.Context(), f.LeaseRef, leasing.Verdict{
		Class: sharedClass, Shareable: true, Evidence: leasing.Evidence{RequestID: f.RequestID, AskedModel: f.Model},
	})
	m.must(err)
	got := "alone"
	if settled.Wronged {
		got = "tripped"
		m.holdWronged(t, f.Model, failed)
	} else if settled.Became == leasing.Blameless {
		got = "shared"
	}
	if want := m.guard.witness(f); got != want {
		t.Fatalf("%+v: %s, the model says %s", f, got, want)
	}
	m.holdSteps(t)
}

// holdWronged compares the tokens that were blamed wrongly with those that have failed, and
// leaves them at that.
func (m *machine) holdWronged(t *rapid.T, model string, failed map[string]bool) {
	entries, err := m.client.LRange(m.t.Context(), wrongedKey(somewhere), 0, -1).Result()
	m.must(err)
	for id := range failed {
		if !strings.Contains(strings.Join(entries, ""), strconv.Quote(id)) {
			t.Fatalf("%s: %s is missing of %v", model, id, entries)
		}
	}
	m.must(m.client.Del(m.t.Context(), wrongedKey(somewhere)).Err())
}

// EndStep lets the present steps of all causes be over, as time would.
func (m *machine) EndStep(t *rapid.T) {
	for _, cause := range m.guard.causes {
		cause.due = true
	}
	m.holdSteps(t)
}

// holdTime keeps what the guard has seen, however long the machine's steps take.
func (m *machine) holdTime() {
	ctx := m.t.Context()
	m.must(m.client.PExpire(ctx, windowKey(somewhere), time.Hour).Err())
	if m.guard.open || len(m.guard.causes) > 0 {
		m.must(m.client.HSet(ctx, clockKey(somewhere), "guard", time.Now().Add(time.Hour).UnixMilli()).Err())
	}
	for model := range m.guard.calm {
		if m.guard.causes[model] == nil {
			calm := fmt.Sprint("calm ", time.Now().Add(causeCalm).UnixMilli())
			m.must(m.client.HSet(ctx, causesKey(somewhere), sharedClass+" "+model, calm).Err())
		}
	}
}

// holdSteps makes the steps of causes end when the test says, and compares them with
// the model's.
func (m *machine) holdSteps(t *rapid.T) {
	for _, model := range modelNames {
		about := sharedClass + " " + model
		state := m.client.HGet(m.t.Context(), causesKey(somewhere), about).Val()
		cause := m.guard.causes[model]
		open := state != "" && !strings.HasPrefix(state, "calm")
		if open != (cause != nil) || strings.HasPrefix(state, "calm") && !m.guard.calm[model] {
			t.Fatalf("%s: %q, the model has %+v, calm %v", about, state, cause, m.guard.calm[model])
		}
		if cause == nil {
			continue
		}
		got, ends := modelCause{due: cause.due}, int64(0)
		if _, err := fmt.Sscan(state, &got.since, &got.began, &ends, &got.failures, &got.allow, &got.left); err != nil {
			t.Fatal(state, err)
		}
		cause.since, cause.began = got.since, got.began
		if got != *cause {
			t.Fatalf("%s: %+v, the model has %+v", about, got, *cause)
		}
		ends = time.Now().Add(30 * time.Second).UnixMilli()
		if cause.due {
			ends = never
		}
		m.must(m.client.HSet(m.t.Context(), causesKey(somewhere), about,
			fmt.Sprint(got.since, " ", got.began, " ", ends, " ", got.failures, " ", got.allow, " ", got.left)).Err())
	}
}
