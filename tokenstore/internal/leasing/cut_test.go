package leasing_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// cutter cuts the connection at a point between two commands: commands that are sent are
// carried out, and from the point on nothing is, nor is any reply heard. It counts the
// points.
type cutter struct {
	mu sync.Mutex
	// armed: points are counted. at is where it cuts; beyond the last it never does.
	armed  bool
	at     int
	points int
	down   bool
	// commands is how many were sent.
	commands int
}

func (c *cutter) arm(at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed, c.at, c.points, c.down, c.commands = true, at, 0, false, 0
}

// repair lets everything through again; it tells whether something was cut.
func (c *cutter) repair() (cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cut, c.down, c.armed = c.down, false, false
	return cut
}

// passes tells whether it goes on at the next point.
func (c *cutter) passes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed {
		c.down = c.down || c.points == c.at
		c.points++
	}
	return !c.down
}

func (c *cutter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *cutter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return c.send(ctx, []redis.Cmder{cmd}, func(ctx context.Context, cmds []redis.Cmder) error { return next(ctx, cmds[0]) })
	}
}

func (c *cutter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return c.send(ctx, cmds, next) }
}

func (c *cutter) send(ctx context.Context, cmds []redis.Cmder, next func(context.Context, []redis.Cmder) error) error {
	sent := 0
	for range cmds {
		if !c.passes() {
			break
		}
		sent++
	}
	c.mu.Lock()
	c.commands += sent
	c.mu.Unlock()
	var err error
	if sent > 0 {
		err = next(ctx, cmds[:sent])
	}
	if sent < len(cmds) || !c.passes() { // the last point: the reply
		for _, cmd := range cmds {
			cmd.SetErr(io.EOF)
		}
		return io.EOF
	}
	return err
}

// world is a desk on a real Redis of which the connection may be cut.
type world struct {
	t      *testing.T
	client redis.UniversalClient // never cut
	cut    redis.UniversalClient
	cutter *cutter
	keys   *seal.Keyring
	store  *redisstore.Store
	desk   *leasing.Desk
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := testredis.NewServer(t)
	keys, err := seal.Parse([]byte("k1 " + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, client: server.Client(t), cut: testredis.Patient(server.Client(t)), cutter: &cutter{}, keys: keys}
	w.cut.AddHook(w.cutter)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// begin has a fresh Redis with so many proven tokens in each of the upstreams, which do
// not know the scripts, and returns a lease of each.
func (w *world) begin(tokens int, upstreams ...string) []leasing.Taken {
	w.t.Helper()
	ctx := w.t.Context()
	w.must(w.client.FlushAll(ctx).Err())
	log := slog.New(slog.DiscardHandler)
	w.store = redisstore.New(w.cut, redisstore.Options{
		Keys: w.keys, Defaults: token.DefaultSettings(), Logger: log, Barrier: redisstore.BarrierFunc(func(context.Context) error { return nil }),
	})
	w.desk = leasing.NewDesk(w.store, time.Minute, silent{}, log)
	w.must(w.store.Prepare(ctx))
	var leases []leasing.Taken
	for _, upstream := range upstreams {
		_, err := w.store.SeedUpstream(ctx, &tokenstorev1.Upstream{Name: upstream, Driver: token.DriverOpenAI, BaseUrl: "https://example.com"})
		w.must(err)
		for i := range tokens {
			draft := token.NewDraft(secret.New(fmt.Sprint("secret-of-", upstream, i)))
			draft.Upstream, draft.Alias = upstream, fmt.Sprint(upstream, i)
			_, err := w.store.CreateToken(ctx, draft)
			w.must(err)
			wanted := leasing.Wanted{Upstream: upstream, Alias: draft.Alias, Model: "m", Count: 1, TTL: time.Minute}
			first, _, err := w.store.Acquire(ctx, wanted)
			w.must(err)
			_, err = w.store.Settle(ctx, []leasing.Settlement{{LeaseRef: first[0].LeaseRef, Effect: leasing.Succeeded}})
			w.must(err)
			second, _, err := w.store.Acquire(ctx, wanted)
			w.must(err)
			leases = append(leases, second...)
		}
	}
	w.must(w.client.ScriptFlush(ctx).Err())
	return leases
}

// state is all that reports have done, without times: per alias the token's fields, open
// leases and history; per upstream its causes and what is left to be undone.
func (w *world) state() map[string]string {
	w.t.Helper()
	ctx, state := w.t.Context(), map[string]string{}
	keys, err := w.client.Keys(ctx, "c1:{pool:*").Result()
	w.must(err)
	for _, key := range keys {
		pool, name, _ := strings.Cut(key, "}:")
		kind, id, _ := strings.Cut(name, ":")
		switch kind {
		case "token":
			f, err := w.client.HGetAll(ctx, key).Result()
			w.must(err)
			open, err := w.client.ZCard(ctx, pool+"}:inflight:"+id).Result()
			w.must(err)
			text := fmt.Sprintf("epoch %s, streak %q of %q, phase %q, requests %s, failures %s, last error %q, cooling %t, open %d",
				f["epoch"], f["streak"], f["cause"], f["phase"], f["requests"], f["failures"], f["last_error"], f["cooling"] != "", open)
			for _, field := range slices.Sorted(maps.Keys(f)) {
				if strings.HasPrefix(field, "m:") {
					_, streak, _ := strings.Cut(f[field], " ")
					text += fmt.Sprintf(", %s %s", field, streak)
				}
			}
			history, err := w.client.XRange(ctx, pool+"}:history:"+id, "-", "+").Result()
			w.must(err)
			for _, entry := range history {
				text += fmt.Sprintf("; %v %v %v %v by %v", entry.Values["kind"], entry.Values["class"], entry.Values["model"], entry.Values["request"], entry.Values["by"])
			}
			state[f["alias"]] = text
		case "causes":
			causes, err := w.client.HKeys(ctx, key).Result()
			w.must(err)
			slices.Sort(causes)
			state[name+" of "+pool] = fmt.Sprint(causes)
		case "wronged":
			state[name+" of "+pool] = fmt.Sprint(w.client.LLen(ctx, key).Val())
		}
	}
	return state
}

// settlement is what a gateway reports, and repeats until it is acknowledged.
type settlement func(ctx context.Context, w *world, leases []leasing.Taken) error

func settling(reports ...leasing.Report) settlement {
	return func(ctx context.Context, w *world, leases []leasing.Taken) error {
		mine := slices.Clone(reports)
		for i := range mine {
			mine[i].LeaseRef = leases[i].LeaseRef
		}
		return w.desk.Settle(ctx, mine)
	}
}

func reconciling(reports ...leasing.Report) settlement {
	return func(ctx context.Context, w *world, leases []leasing.Taken) error {
		mine, numbers := slices.Clone(reports), make([]uint64, len(reports))
		for i := range mine {
			mine[i].LeaseRef = leasing.LeaseRef{TokenID: leases[i].TokenID, LeaseID: fmt.Sprint(leases[i].Epoch(), "-0")}
			numbers[i] = uint64(i + 1)
		}
		return w.desk.Reconcile(ctx, "gateway-1", numbers, mine)
	}
}

// A verdict is never lost, and never carried out twice: wherever the connection to the
// store is cut during a settlement, once the report has been repeated all is as if nothing
// had happened.
func TestAVerdictSurvivesACutAnywhere(t *testing.T) {
	t.Parallel()
	const (
		success   = tokenstorev1.Outcome_OUTCOME_SUCCESS
		rateLimit = tokenstorev1.Outcome_OUTCOME_RATE_LIMIT
		auth      = tokenstorev1.Outcome_OUTCOME_AUTH
		upstream  = tokenstorev1.Outcome_OUTCOME_UPSTREAM
	)
	report := func(request string, outcome tokenstorev1.Outcome) leasing.Report {
		return leasing.Report{Outcome: outcome, Model: "m", RequestID: request, Detail: "evidence"}
	}
	modelOnly, hinted := report("r", rateLimit), report("r", rateLimit)
	modelOnly.ModelOnly, hinted.RetryAfter = true, time.Minute
	alike := []leasing.Report{report("r1", auth), report("r2", auth), report("r3", auth)}
	cases := map[string]struct {
		tokens    int
		upstreams []string
		report    settlement
		// want is a part of the first token's state.
		want string
	}{
		"success":                        {1, []string{"u"}, settling(report("r", success)), "epoch 1, streak"},
		"rate limit":                     {1, []string{"u"}, settling(report("r", rateLimit)), `epoch 2, streak "1" of "rate_limit", phase "1", requests 2, failures 1`},
		"rate limit with a hint":         {1, []string{"u"}, settling(hinted), `epoch 2, streak "1" of "rate_limit"`},
		"auth":                           {1, []string{"u"}, settling(report("r", auth)), `epoch 2, streak "1" of "auth"`},
		"a model only":                   {1, []string{"u"}, settling(modelOnly), "m:m 1; cooling rate_limit m r"},
		"a failure of upstream":          {1, []string{"u"}, settling(report("r", upstream)), "epoch 1, "},
		"two upstreams":                  {2, []string{"u", "v"}, settling(report("r1", auth), report("r2", success), report("r3", hinted.Outcome), report("r4", auth)), "epoch 2, "},
		"a shared cause":                 {3, []string{"u"}, settling(alike...), "undone auth"},
		"from a reserve":                 {2, []string{"u"}, reconciling(report("r1", auth), report("r2", rateLimit)), `epoch 2, streak "1" of "auth"`},
		"a shared cause, from a reserve": {3, []string{"u"}, reconciling(alike...), "undone auth"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			leases := w.begin(c.tokens, c.upstreams...)
			w.must(c.report(t.Context(), w, leases))
			want := w.state()
			if got := want[c.upstreams[0]+"0"]; !strings.Contains(got, c.want) {
				t.Fatalf("uncut: %s, want %s", got, c.want)
			}
			const most = 60 // more points than any has
			points := 0
			for ; points < most; points++ {
				leases := w.begin(c.tokens, c.upstreams...)
				w.cutter.arm(points)
				err := c.report(t.Context(), w, leases)
				if !w.cutter.repair() {
					w.must(err)
					break
				}
				if err != nil {
					w.must(c.report(t.Context(), w, leases))
				}
				if diff := cmp.Diff(want, w.state()); diff != "" {
					t.Errorf("cut at point %d (-want +got):\n%s", points, diff)
				}
			}
			if points < 3 || points == most {
				t.Errorf("%d points", points)
			}
		})
	}
}

// A batch of reports is judged in some round trips, not in one or more for each.
func TestReportsAreJudgedInBulk(t *testing.T) {
	t.Parallel()
	for name, reconciled := range map[string]bool{"leases": false, "uses of a reserve": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			leases := w.begin(10, "u")
			for len(leases) < 1000 && !reconciled {
				more, _, err := w.store.Acquire(t.Context(), leasing.Wanted{Upstream: "u", Model: "m", Count: 100, TTL: time.Minute})
				w.must(err)
				leases = append(leases, more...)
			}
			for reconciled && len(leases) < 1000 {
				leases = append(leases, leases...)
			}
			reports := make([]leasing.Report, 1000)
			for i := range reports {
				reports[i] = leasing.Report{
					Outcome: tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, Model: "m", RetryAfter: time.Minute, RequestID: fmt.Sprint(i), Detail: "429: slow down",
				}
			}
			report := settling(reports...)
			if reconciled {
				report = reconciling(reports...)
			}
			w.cutter.arm(-1)
			w.must(report(t.Context(), w, leases))
			w.cutter.repair()
			if w.cutter.commands > 12 {
				t.Errorf("%d commands", w.cutter.commands)
			}
			for alias, state := range w.state() {
				if !strings.Contains(state, `epoch 2, streak "1" of "rate_limit"`) || strings.Count(state, "; cooling") != 1 {
					t.Errorf("%s: %s", alias, state)
				}
			}
		})
	}
}
