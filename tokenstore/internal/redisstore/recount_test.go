package redisstore

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"carousel.internal/proto/service/secret"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// derived is a pool to which anything may happen, beside what is counted and ordered of it.
type derived struct {
	*leasePool
	r       *rapid.T
	n       int
	deleted []string
	open    []leasing.Taken
	holds   map[string][]leasing.Hold
}

func (d *derived) ids() []string {
	return d.client.ZRange(d.t.Context(), poolIDsKey(somewhere), 0, -1).Val()
}

func (d *derived) any(of []string) string {
	if len(of) == 0 {
		d.r.Skip("there is none")
	}
	return rapid.SampledFrom(of).Draw(d.r, "token")
}

func (d *derived) create(r *rapid.T) {
	d.n++
	text := fmt.Sprint("T", d.n, "-", rand.Uint64())
	if rapid.Bool().Draw(r, "expires") {
		text = jwtUntil(time.Now().Add(time.Duration(rapid.IntRange(1, 48).Draw(r, "hours"))*time.Hour + time.Duration(d.n)*time.Second))
	}
	one := draft(somewhere, text)
	if rapid.IntRange(0, 2).Draw(r, "login") == 0 {
		one = login(fmt.Sprint("u", d.n, rand.Uint64()), "r")
	}
	one.Cap, one.Weight = uint32(rapid.IntRange(0, 3).Draw(r, "cap")), uint32(rapid.IntRange(1, 3).Draw(r, "weight"))
	one.Enabled = rapid.IntRange(0, 5).Draw(r, "enabled") > 0
	made, err := d.CreateToken(d.t.Context(), one)
	if err == nil && rapid.Bool().Draw(r, "trusted") {
		d.must(d.client.HDel(d.t.Context(), tokenKey(somewhere, made.GetId()), "phase").Err())
		d.must(standScript.run(d.t.Context(), d.client, []string{poolIDsKey(somewhere)}, made.GetId()).Err())
	}
}

func (d *derived) edit(r *rapid.T) {
	_, err := d.UpdateToken(d.t.Context(), d.any(d.ids()), token.Fields{
		Cap: uint32(rapid.IntRange(0, 3).Draw(r, "cap")), Weight: uint32(rapid.IntRange(1, 3).Draw(r, "weight")), Enabled: rapid.Bool().Draw(r, "enabled"),
	}, []string{token.Cap, token.Weight, token.Enabled}, 0)
	d.must(err)
}

// disable disables a token until a time that has come, or hasn't.
func (d *derived) disable(r *rapid.T) {
	until := rapid.SampledFrom([]time.Time{time.UnixMilli(never), time.UnixMilli(ever)}).Draw(r, "until")
	_, err := d.UpdateToken(d.t.Context(), d.any(d.ids()), token.Fields{DisabledUntil: until}, []string{token.DisabledUntil}, 0)
	d.must(err)
}

func (d *derived) enableDue(*rapid.T) {
	_, err := d.EnableDue(d.t.Context())
	d.must(err)
}

func (d *derived) remove(*rapid.T) {
	id := d.any(d.ids())
	d.must(d.DeleteToken(d.t.Context(), id, 0))
	d.deleted = append(d.deleted, id)
}

func (d *derived) restore(*rapid.T) {
	_, _ = d.RestoreToken(d.t.Context(), d.any(d.deleted)) // it may be there
}

func (d *derived) acquire(r *rapid.T) {
	taken, _, err := d.Acquire(d.t.Context(), leasing.Wanted{
		Upstream: somewhere, Model: rapid.SampledFrom([]string{"m", "n"}).Draw(r, "model"), Count: rapid.IntRange(1, 6).Draw(r, "count"), TTL: time.Minute,
		Ahead: rapid.IntRange(0, 4).Draw(r, "ahead") == 0, Affinity: rapid.SampledFrom([]string{"", "a", "b"}).Draw(r, "key"),
	})
	d.must(err)
	d.open = append(d.open, taken...)
}

func (d *derived) settle(r *rapid.T) {
	if len(d.open) == 0 {
		r.Skip("nothing is open")
	}
	i := rapid.IntRange(0, len(d.open)-1).Draw(r, "which")
	report := leasing.Settlement{LeaseRef: d.open[i].LeaseRef, Model: "m"}
	report.Effect = rapid.SampledFrom([]leasing.Effect{leasing.Unused, leasing.Succeeded, leasing.Neutral, leasing.Failed}).Draw(r, "effect")
	if report.Effect == leasing.Failed {
		report.Verdict = &leasing.Verdict{Class: "quota", Model: rapid.SampledFrom([]string{"", "", "m"}).Draw(r, "for")}
		report.Verdict.CoolFor = []time.Duration{rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Minute}).Draw(r, "cools")}
	}
	_, err := d.Settle(d.t.Context(), []leasing.Settlement{report})
	d.must(err)
	if rapid.Bool().Draw(r, "once") { // else it is repeated
		d.open = append(d.open[:i], d.open[i+1:]...)
	}
}

func (d *derived) renew(r *rapid.T) {
	if len(d.open) == 0 {
		r.Skip("nothing is open")
	}
	_, err := d.Renew(d.t.Context(), []leasing.LeaseRef{rapid.SampledFrom(d.open).Draw(r, "which").LeaseRef}, time.Minute)
	d.must(err)
}

// lapse has a lease expire, as time would.
func (d *derived) lapse(r *rapid.T) {
	if len(d.open) == 0 {
		r.Skip("nothing is open")
	}
	each := rapid.SampledFrom(d.open).Draw(r, "which")
	d.must(d.client.ZAddXX(d.t.Context(), inflightKey(somewhere, each.TokenID), redis.Z{Member: each.LeaseID, Score: never}).Err())
	d.must(d.client.ZAddXX(d.t.Context(), leasesKey(somewhere), redis.Z{Member: each.TokenID + " " + each.LeaseID, Score: never}).Err())
}

func (d *derived) reserve(r *rapid.T) {
	replica := rapid.SampledFrom([]string{"g1", "g2"}).Draw(r, "replica")
	got, err := d.Reserve(d.t.Context(), leasing.Reservation{
		Replica: replica, Instance: replica, TTL: rapid.SampledFrom([]time.Duration{0, time.Minute, time.Minute}).Draw(r, "ttl"), Holds: d.holds[replica],
	})
	d.must(err)
	dropped := map[string]bool{}
	for _, id := range got.Dropped {
		dropped[id] = true
	}
	var held []leasing.Hold
	for _, each := range d.holds[replica] {
		if !dropped[each.TokenID] && rapid.IntRange(0, 3).Draw(r, "kept") > 0 {
			held = append(held, each)
		}
	}
	for _, each := range got.Added {
		held = append(held, each.Hold)
	}
	d.holds[replica] = held
}

func (d *derived) release(*rapid.T) {
	_, err := d.ReleaseToken(d.t.Context(), d.any(d.ids()), "admin")
	d.must(err)
}

func (d *derived) undo(*rapid.T) {
	_, err := d.UndoTransitions(d.t.Context(), leasing.Undo{Class: "quota", From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour), By: "admin"})
	d.must(err)
}

// refresh takes a refresh and ends it.
func (d *derived) refresh(r *rapid.T) {
	refreshes := d.client.ZRange(d.t.Context(), refreshesKey(somewhere), 0, -1).Val()
	redisZ(d.t, d.Store, refreshesKey(somewhere), d.any(refreshes), 0)
	errands, _, err := d.TakeErrands(d.t.Context(), MaxErrands, MaxErrands, nil)
	d.must(err)
	for _, errand := range errands {
		if errand.Refresh == nil {
			continue
		}
		switch rapid.IntRange(0, 3).Draw(r, "end") {
		case 0:
			_, err = d.RefuseRefresh(d.t.Context(), errand.ErrandRef, "no")
		case 1:
			_, err = d.PostponeRefresh(d.t.Context(), errand.ErrandRef, "busy", time.Hour)
		default:
			life := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Hour}).Draw(r, "life")
			_, err = d.GrantRefresh(d.t.Context(), errand.ErrandRef, Granted{Access: secret.New("access"), Expires: time.Now().Add(life)})
		}
		d.must(err)
	}
}

func (d *derived) choose(r *rapid.T) {
	d.rotation.Store(new(rapid.SampledFrom([]string{token.RoundRobin, token.LeastInFlight, token.FillFirst, token.Sticky}).Draw(r, "strategy")))
}

// rename gives a token another alias, or none, and other tags.
func (d *derived) rename(r *rapid.T) {
	d.n++
	edit := token.Fields{
		Alias: rapid.SampledFrom([]string{"", fmt.Sprint("a", d.n), fmt.Sprint("Ä ", d.n)}).Draw(r, "alias"),
		Tags:  rapid.SampledFrom([][]string{nil, {"x"}, {`"tags":["x"]`, "y"}}).Draw(r, "tags"),
	}
	_, err := d.UpdateToken(d.t.Context(), d.any(d.ids()), edit, []string{token.Alias, token.Tags}, 0)
	d.must(err)
}

// compareRows compares what lists choose and sort by with what is made of the tokens anew.
func (d *derived) compareRows(r *rapid.T) {
	ctx := d.t.Context()
	read := func() []map[string]string {
		pipe := d.client.Pipeline()
		rows, counts := pipe.HGetAll(ctx, rowsKey(somewhere)), pipe.HGetAll(ctx, countsKey(somewhere))
		d.must(sendReads(ctx, pipe))
		return []map[string]string{rows.Val(), counts.Val()}
	}
	kept := read()
	d.must(d.client.Del(ctx, rowsKey(somewhere), countsKey(somewhere)).Err())
	ids, pool := d.ids(), share{upstream: somewhere}
	for i := range ids {
		pool.places = append(pool.places, i)
	}
	d.must(d.putRows(ctx, []share{pool}, ids))
	if diff := cmp.Diff(read(), kept); diff != "" {
		r.Fatalf("rows that are made anew, and those that were kept: %s", diff)
	}
}

// loadPlace is where a token is in the order of its load: the list, and when it is due.
type loadPlace struct {
	key string
	due float64
}

// placed reads the lists of tokens by their load, of which each token is in one at most.
func (d *derived) placed(r *rapid.T, keys []string) map[string]loadPlace {
	ctx, pipe := d.t.Context(), d.client.Pipeline()
	lists := make([]*redis.ZSliceCmd, len(keys))
	for i, key := range keys {
		lists[i] = pipe.ZRangeWithScores(ctx, key, 0, -1)
	}
	d.must(sendReads(ctx, pipe))
	found := map[string]loadPlace{}
	for i, key := range keys {
		for _, each := range lists[i].Val() {
			id := each.Member.(string)
			if before, twice := found[id]; twice {
				r.Fatalf("%s is in %s and %s", id, before.key, key)
			}
			found[id] = loadPlace{key, each.Score}
		}
	}
	return found
}

// recount compares all that is derived with the tokens themselves.
func (d *derived) recount(r *rapid.T) {
	ctx, now := d.t.Context(), float64(time.Now().UnixMilli())
	// A demand that takes nothing: what has expired since is taken notice of.
	_, _, err := d.Acquire(ctx, leasing.Wanted{Upstream: somewhere, Model: "m", Count: 1, TTL: time.Minute, Alias: "nobody", Brief: true})
	d.must(err)
	ids, floor, pipe := d.ids(), strconv.FormatFloat(now, 'f', 0, 64), d.client.Pipeline()
	sorted := map[string]*redis.ZSliceCmd{}
	for _, name := range []string{"order", "rank:load", "rank:fill", "ring", "standing", "rests", "accesses", "refreshes", "disabled_until"} {
		sorted[name] = pipe.ZRangeWithScores(ctx, "c1:{pool:cursor}:"+name, 0, -1)
	}
	needing, stirring := pipe.SMembersMap(ctx, "c1:{pool:cursor}:unlogged"), pipe.SMembersMap(ctx, "c1:{pool:cursor}:stirred")
	chosen, loads := pipe.HGet(ctx, "c1:{pool:cursor}:rank", "strategy"), pipe.Keys(ctx, "c1:{pool:cursor}:rank:load:*")
	counted := pipe.ZCount(ctx, leasesKey(somewhere), floor, "+inf")
	hashes, flights := map[string]*redis.MapStringStringCmd{}, map[string]*redis.StringSliceCmd{}
	for _, id := range ids {
		hashes[id] = pipe.HGetAll(ctx, tokenKey(somewhere, id))
		flights[id] = pipe.ZRangeByScore(ctx, inflightKey(somewhere, id), &redis.ZRangeBy{Min: floor, Max: "+inf"})
	}
	d.must(sendReads(ctx, pipe))
	scores := func(name string) map[string]float64 {
		all := map[string]float64{}
		for _, each := range sorted[name].Val() {
			all[each.Member.(string)] = each.Score
		}
		return all
	}
	order, load, fill, ring, standing, rests := scores("order"), scores("rank:load"), scores("rank:fill"), scores("ring"), scores("standing"), scores("rests")
	accesses, refreshes, disabled := scores("accesses"), scores("refreshes"), scores("disabled_until")
	unlogged, stirred, strategy := needing.Val(), stirring.Val(), chosen.Val()
	placed := d.placed(r, loads.Val())
	there, leases := map[string]bool{}, 0
	for _, id := range ids {
		there[id] = true
		f := fields(hashes[id].Val())
		want := 6.0
		_, needsLogin := unlogged[id]
		if needsLogin != (f["enabled"] == "1" && f["phase"] == token.Parked && f["needs_login"] == "1") {
			r.Fatalf("%s needs a login: %v; %v", id, needsLogin, f)
		}
		if _, planned := refreshes[id]; planned != (f["renewable"] == "1" && f["needs_login"] != "1") {
			r.Fatalf("%s is to be refreshed: %v; %v", id, planned, f)
		}
		if until := float64(f.number("disabled_until")); disabled[id] != until || until > 0 && f["enabled"] == "1" {
			r.Fatalf("%s is disabled until %v: %v", id, disabled[id], f)
		}
		// It is taken notice of when somebody meets it, or counts.
		over := standing[id] == 3 && f["expires"] != "0" && float64(f.number("expires")) <= now+float64(token.ExpiryLead.Milliseconds())
		_, untilThen := accesses[id]
		if renewed := f["renewable"] == "1" && f["enabled"] == "1" && f["phase"] != token.Parked; untilThen != (renewed && !over) {
			r.Fatalf("the end of %s is known: %v; %v", id, untilThen, f)
		}
		switch {
		case f["enabled"] != "1":
			want = 1
		case f["phase"] == token.Parked:
			want = 2
		case over:
			want = 3
		case f["phase"] == token.Quarantined:
			want = 4
		case f["phase"] != "":
			want = 5
		}
		if standing[id] != want {
			r.Fatalf("%s stands at %v, it is %v: %v", id, standing[id], want, f)
		}
		if cooling := float64(f.number("cooling")); want > 3 && cooling > now+1000 && rests[id] != cooling {
			r.Fatalf("%s rests until %v: %v", id, rests[id], f)
		}
		inflight := flights[id].Val()
		holds := 0
		for _, each := range inflight {
			if each[:4] == "hold" {
				holds++
			}
		}
		leases += len(inflight) - holds
		if held := int(f.number("held")); f["holder"] != "" && held != holds {
			r.Fatalf("%s: %d slots are held, %d are in flight: %v", id, held, holds, f)
		}
		if f["holder"] == "" && holds > 0 {
			r.Fatalf("%s: %d slots of nobody", id, holds)
		}
		score, ordered := order[id]
		if _, ok := ring[id]; ordered && !ok {
			r.Fatalf("%s is in the order, and not on the ring", id)
		}
		if _, moved := stirred[id]; moved || !ordered {
			continue
		}
		switch strategy { // whose order there is
		case token.LeastInFlight:
			level := float64(len(inflight)) / float64(f.number("weight"))
			if load[id] != level {
				r.Fatalf("%s: load %v, it has %d of weight %s", id, load[id], len(inflight), f["weight"])
			}
			want := loadPlace{"c1:{pool:cursor}:rank:load:" + strconv.FormatFloat(level, 'g', 17, 64), score}
			if placed[id] != want {
				r.Fatalf("%s: by its load it is at %v; by its order at %v", id, placed[id], want)
			}
		case token.FillFirst:
			if _, ok := fill[id]; !ok {
				r.Fatalf("%s is not in the order of fill_first", id)
			}
		}
	}
	for name, all := range map[string]map[string]float64{"order": order, "load": load, "fill": fill, "ring": ring, "standing": standing, "rests": rests, "accesses": accesses, "refreshes": refreshes, "disabled_until": disabled} {
		for id := range all {
			if !there[id] {
				r.Fatalf("%s of %s is gone", id, name)
			}
		}
	}
	d.compareRows(r)
	if got := int(counted.Val()); got != leases {
		r.Fatalf("%d leases are counted of %d", got, leases)
	}
}

// Whatever happens, and whichever strategy it happens under: what is counted and ordered of
// a pool is what a look at each token says.
func TestWhatIsDerivedIsWhatTokensSay(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	store := legacyStore(t, client)
	rapid.Check(t, func(r *rapid.T) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			r.Fatal(err)
		}
		store.homes = homes{}
		d := &derived{leasePool: &leasePool{Store: store, t: t, client: client}, r: r, holds: map[string][]leasing.Hold{}}
		seed(t, store)
		step := func(do func(*rapid.T)) func(*rapid.T) {
			return func(r *rapid.T) { d.r = r; do(r) }
		}
		r.Repeat(map[string]func(*rapid.T){
			"": step(d.recount), "create": step(d.create), "create more": step(d.create), "edit": step(d.edit), "rename": step(d.rename), "disable": step(d.disable), "enable": step(d.enableDue), "delete": step(d.remove),
			"restore": step(d.restore), "acquire": step(d.acquire), "acquire more": step(d.acquire), "settle": step(d.settle), "settle more": step(d.settle),
			"renew": step(d.renew), "expire a lease": step(d.lapse), "reserve": step(d.reserve), "release": step(d.release), "undo": step(d.undo),
			"choose": step(d.choose), "refresh": step(d.refresh),
		})
	})
}
