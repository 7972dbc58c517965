package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/usage"
)

// readUse notes which hashes are read.
type readUse struct{ keys []string }

func (*readUse) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (*readUse) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (r *readUse) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if key, _ := cmd.Args()[len(cmd.Args())-1].(string); cmd.Name() == "hgetall" {
				r.keys = append(r.keys, strings.TrimPrefix(key, logPrefix+"use:token:"))
			}
		}
		return next(ctx, cmds)
	}
}

// taken returns what was read since the last time, in order.
func (r *readUse) taken() []string {
	taken := slices.Sorted(slices.Values(r.keys))
	r.keys = nil
	return taken
}

// namedServer tells which run of a server it is.
type namedServer struct{ run string }

func (*namedServer) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (n *namedServer) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if info, is := cmd.(*redis.StringCmd); is && cmd.Name() == "info" {
			info.SetVal("# Server\r\nrun_id:" + n.run + "\r\n")
			return nil
		}
		return next(ctx, cmd)
	}
}

func (*namedServer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// What is over is read once, what is not again when requests have come, and every answer is that of
// a store which remembers nothing.
func TestUseIsReadAgainWhereItMayHaveChanged(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC) // day 20760
	client, setTime := testredis.MiniAt(t, now)
	store := newStore(t, client)
	reads := &readUse{}
	client.AddHook(reads)
	sequence := uint64(0)
	request := func() {
		t.Helper()
		sequence++
		appendLog(t, store, "g1", []*tokenstorev1.LogEntry{{Sequence: sequence, TokenId: "t1", Upstream: "up", Model: "m", PromptTokens: sequence}})
	}
	question := usage.Question{From: now.Truncate(24 * time.Hour), To: now.Add(10 * 24 * time.Hour), Group: []usage.Dimension{usage.Token, usage.ByDay}}
	ask := func(what string, want ...string) {
		t.Helper()
		reads.taken()
		got := queryUse(t, store, question)
		if diff := gocmp.Diff(want, reads.taken()); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		forgetful := newStore(t, client)
		if diff := gocmp.Diff(queryUse(t, forgetful, question), got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	at := func(after time.Duration) { setTime(now.Add(after)) }

	ask("nothing is there")
	request()
	ask("the first request", "day:20760")
	ask("nothing since")
	request()
	ask("a request", "day:20760")
	at(time.Hour)
	ask("another hour", "day:20760")
	at(24 * time.Hour)
	request()
	ask("another day", "day:20760", "day:20761")
	request()
	ask("the day before is over", "day:20761")
	at(39*time.Hour + 30*time.Minute) // half past midnight
	request()
	ask("the day before may not have settled", "day:20761", "day:20762")
	request()
	ask("nor later in this hour", "day:20761", "day:20762")
	at(40 * time.Hour)
	request()
	ask("it has", "day:20761", "day:20762")
	request()
	ask("now it is known", "day:20762")
	question.Model = "m"
	ask("another question of the same")
	if err := client.HSet(t.Context(), useKey(usage.ByToken, usage.Step{Unit: usage.Day, Start: now.Truncate(24 * time.Hour)}), "t9\nup\nm", "0 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0").Err(); err != nil {
		t.Fatal(err)
	}
	ask("a day of another size", "day:20760")
	prepare := func() {
		t.Helper()
		if err := store.PrepareLog(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	prepare()
	prepare()
	ask("the log was looked at")
	store.used.forget(time.Now())
	ask("they were asked for of late, whatever Redis's clock says")
	server := &namedServer{run: "one"}
	client.AddHook(server)
	prepare()
	prepare()
	ask("the server has a name")
	server.run = "another"
	prepare()
	ask("the data may be another's", "day:20760", "day:20761", "day:20762")
	store.logFence.close(errors.New("away"))
	prepare()
	ask("the log was away", "day:20760", "day:20761", "day:20762")
	if err := client.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	ask("all is gone")
}

func TestTheViewOfUseIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	step := func(cells int, at time.Time) viewedStep {
		made := usage.NewCells(cells)
		for range cells {
			if err := made.Put("t\nu\nm", "0 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0"); err != nil {
				t.Fatal(err)
			}
		}
		return viewedStep{cells: made, closed: true, asked: at}
	}
	v := newUseView()
	v.most = 10
	v.keep("a", step(4, now))
	v.keep("b", step(4, now.Add(time.Minute)))
	v.keep("c", step(3, now)) // there is no room
	v.keep("b", step(6, now.Add(time.Minute)))
	for key, size := range map[string]int{"a": 4, "b": 6} {
		if v.find(key, size, "", now) == nil {
			t.Errorf("%s is gone", key)
		}
	}
	if v.find("c", 3, "", now) != nil || v.cells != 10 {
		t.Errorf("%d cells", v.cells)
	}
	v.find("b", 6, "", now.Add(5*time.Minute))
	v.forget(now.Add(useForgotten + time.Minute))
	if v.find("a", 4, "", now) != nil || v.find("b", 6, "", now) == nil || v.cells != 6 {
		t.Errorf("%d cells", v.cells)
	}
}

// What was added up for questions is bounded, too, and the cells that it comes from stay.
func TestWhatIsAddedUpIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	v := newUseView()
	v.most = 10
	var all []*usage.Cells
	for _, key := range []string{"a", "b"} {
		cells := usage.NewCells(5)
		for i := range 5 {
			if err := cells.Put(fmt.Sprintf("t%d\nu\nm", i), "0 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0"); err != nil {
				t.Fatal(err)
			}
		}
		v.keep(key, viewedStep{cells: cells, closed: true, asked: now})
		all = append(all, cells)
	}
	ask := func(group ...usage.Dimension) {
		t.Helper()
		answer, err := usage.Ask(usage.Question{From: now.Add(-time.Hour), To: now, Group: group}, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"a", "b"} {
			known := v.find(key, 5, "", now)
			if known == nil {
				t.Fatalf("%s is gone", key)
			}
			if err := answer.AddKnown(answer.Steps[0], known); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 {
		for _, group := range [][]usage.Dimension{{usage.Token}, {usage.Token, usage.Model}, {usage.Token, usage.Upstream}, {usage.Upstream}} {
			ask(group...)
			if added := all[0].Added() + all[1].Added(); added == 0 || added > v.most+2*5 {
				t.Errorf("%d are kept that were added up", added)
			}
		}
	}
	v.find("a", 5, "", now)
	v.find("b", 5, "", now)
	if added := all[0].Added() + all[1].Added(); added > v.most || added != v.added {
		t.Errorf("%d are kept that were added up, counted as %d", added, v.added)
	}
	v.forget(now.Add(useForgotten))
	if v.cells != 0 || v.added != 0 {
		t.Errorf("of nothing there are %d and %d", v.cells, v.added)
	}
}
