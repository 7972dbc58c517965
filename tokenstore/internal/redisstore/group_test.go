package redisstore

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/rotation"
	"carousel.internal/tokenstore/internal/testredis"
)

// rest is longer than any test, and no longer than a cooling may be.
const rest = 10 * time.Minute

// limited is the end of a request that met the limit of its token's group.
func limited(lease leasing.Taken, group, model string) leasing.Settlement {
	return leasing.Settlement{
		LeaseRef: lease.LeaseRef, Effect: leasing.Failed, Model: someModel, Group: group,
		Verdict: &leasing.Verdict{
			Class: "rate_limit", Model: model, CoolFor: []time.Duration{rest, 2 * rest}, GroupWide: true,
			Evidence: leasing.Evidence{RequestID: "r1", AskedModel: someModel, Detail: "429"},
		},
	}
}

// introduce has each token serve a request whose answer tells its group: the part of its id
// before the number.
func introduce(p *leasePool, tokens int) {
	p.t.Helper()
	var served []leasing.Settlement
	for _, lease := range p.take(leasing.Wanted{Count: tokens}) {
		served = append(served, leasing.Settlement{
			LeaseRef: lease.LeaseRef, Effect: leasing.Succeeded, Model: someModel, Group: strings.TrimRight(lease.TokenID, "0123456789"),
		})
	}
	_, err := p.Settle(p.t.Context(), served)
	p.must(err)
}

// leaseOf takes leases until it has one of the token, and gives the others back.
func leaseOf(p *leasePool, id string) leasing.Taken {
	p.t.Helper()
	var others []string
	for {
		lease := p.take(leasing.Wanted{Exclude: others})[0]
		if lease.TokenID == id {
			return lease
		}
		p.end(leasing.Unused, lease)
		others = append(others, lease.TokenID)
	}
}

// A limit of one organisation: its other key rests in the same step, those of others go on.
func TestAGroupRestsTogether(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		for _, id := range []string{"a1", "a2", "b1", "b2"} {
			p.add(id)
		}
		introduce(p, 4)
		running, lease := leaseOf(p, "a2"), leaseOf(p, "a1")
		settled, err := p.Settle(t.Context(), []leasing.Settlement{limited(lease, "a", "")})
		p.must(err)
		if want := (leasing.Settled{Live: true, Upstream: somewhere, Became: leasing.Cooling, CoolFor: rest, Streak: 1, Others: 1}); settled[0] != want {
			t.Errorf("%+v, want %+v", settled[0], want)
		}
		if got := tally(p.pick(4)); got["b1"] != 2 || got["b2"] != 2 {
			t.Errorf("picked %v", got)
		}
		if _, short := p.ask(leasing.Wanted{Exclude: []string{"b1", "b2"}}); short.Cooling != 2 {
			t.Errorf("%+v", short)
		}
		// What the other key's request meets meanwhile says nothing new; its unused leases
		// are recalled.
		again, err := p.Settle(t.Context(), []leasing.Settlement{limited(running, "a", "")})
		p.must(err)
		if again[0].Became != leasing.Unchanged || p.field("a1", "streak") != "1" || p.field("a2", "epoch") != "2" {
			t.Errorf("%+v, streak %s, epoch %s", again[0], p.field("a1", "streak"), p.field("a2", "epoch"))
		}
		// Its history tells why.
		entries, err := p.client.XRange(t.Context(), historyKey(somewhere, "a2"), "-", "+").Result()
		p.must(err)
		if len(entries) != 1 || transitionFrom(entries[0]).GetDetail() != "with its group, as token a1: 429" || transitionFrom(entries[0]).GetRequestId() != "r1" {
			t.Errorf("%v", entries)
		}
		// Both are probed when it is over, and the first that fails speaks for both again.
		p.wakeUp("a1")
		p.wakeUp("a2")
		probe := leaseOf(p, "a2")
		settled, err = p.Settle(t.Context(), []leasing.Settlement{limited(probe, "a", "")})
		p.must(err)
		if settled[0].CoolFor != 2*rest || settled[0].Others != 1 || p.field("a1", "streak") != "2" {
			t.Errorf("%+v, streak %s", settled[0], p.field("a1", "streak"))
		}
		// A success brings its own token back.
		p.wakeUp("a1")
		p.wakeUp("a2")
		p.end(leasing.Succeeded, leaseOf(p, "a1"))
		if p.field("a1", "phase") != "2" || p.field("a2", "phase") != "1" {
			t.Errorf("phases %q and %q", p.field("a1", "phase"), p.field("a2", "phase"))
		}
	})
}

// A limit that the upstream counts for a model is the group's for that model.
func TestAGroupRestsForAModel(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		for _, id := range []string{"a1", "a2", "b1"} {
			p.add(id)
		}
		introduce(p, 3)
		settled, err := p.Settle(t.Context(), []leasing.Settlement{limited(leaseOf(p, "a1"), "a", someModel)})
		p.must(err)
		if settled[0].Others != 1 {
			t.Errorf("%+v", settled[0])
		}
		if got := tally(p.pick(2)); got["b1"] != 2 {
			t.Errorf("picked for the model: %v", got)
		}
		if other := tokensOf(p.take(leasing.Wanted{Model: "another", Count: 3})); tally(other)["a1"] == 0 || tally(other)["a2"] == 0 {
			t.Errorf("picked for another: %v", other)
		}
	})
}

// Whatever failed in a group, no other token is blamed or spared for it: the guard does not
// see tokens that fail alike.
func TestTheGuardKnowsGroups(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		guardedPool(p, 4)
		for _, id := range []string{"a1", "a2", "a3", "a4"} {
			p.add(id)
		}
		var reports []leasing.Settlement
		for i, lease := range p.take(leasing.Wanted{Count: 8}) {
			report := limited(lease, "a", "")
			report.Verdict.RequestID = fmt.Sprint("r", i)
			if strings.HasPrefix(lease.TokenID, "a") {
				reports = append(reports, report)
			}
		}
		settled, err := p.Settle(t.Context(), reports)
		p.must(err)
		for i, each := range settled {
			// Each is heard of for the first time by its own report, and so is not known to be
			// of the group before it.
			if each.Became != leasing.Cooling || each.Wronged {
				t.Errorf("report %d: %+v", i, each)
			}
		}
		if causes := p.client.Exists(t.Context(), causesKey(somewhere), wrongedKey(somewhere)).Val(); causes != 0 || p.cooling() != 4 {
			t.Errorf("%d keys of the guard, %d cool", causes, p.cooling())
		}
	})
}

// A token may come to be of another organisation; one that is deleted is of none.
func TestWhoIsOfAGroup(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		ids := []string{trusted(t, store, create(t, store, draft("openai", "T1"))), trusted(t, store, create(t, store, draft("openai", "T2")))}
		members := func(group string) int64 { return store.client.SCard(ctx, groupKey("openai", group)).Val() }
		tell := func(group string) {
			t.Helper()
			taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 2, TTL: time.Minute})
			if err != nil || len(taken) != 2 {
				t.Fatal(taken, err)
			}
			for _, lease := range taken {
				if _, err := store.Settle(ctx, []leasing.Settlement{{LeaseRef: lease.LeaseRef, Effect: leasing.Succeeded, Group: group}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		tell("a")
		tell("") // says nothing of it
		if members("a") != 2 {
			t.Fatalf("%d are known", members("a"))
		}
		tell("b")
		if members("a") != 0 || members("b") != 2 {
			t.Errorf("%d of a, %d of b", members("a"), members("b"))
		}
		if err := store.DeleteToken(ctx, ids[0], 0); err != nil {
			t.Fatal(err)
		}
		if left := rooms(t, store.client, "openai", ids[0]); len(left) > 0 || members("b") != 1 {
			t.Errorf("it is in %v, %d of b", left, members("b"))
		}
		if _, err := store.RestoreToken(ctx, ids[0]); err != nil {
			t.Fatal(err)
		}
		if group := store.client.HGet(ctx, tokenKey("openai", ids[0]), "group").Val(); group != "" {
			t.Errorf("restored into %q", group)
		}
	})
}

// So many tokens are known to be of a group; the others rest for themselves.
func TestAGroupIsBounded(t *testing.T) {
	t.Parallel()
	p := newLeasePool(t, testredis.Start(t))
	p.add("t")
	members := make([]any, rotation.MaxGroup)
	for i := range members {
		members[i] = fmt.Sprint("gone-", i) // and nobody minds
	}
	p.must(p.client.SAdd(t.Context(), groupKey(somewhere, "a"), members...).Err())
	settled, err := p.Settle(t.Context(), []leasing.Settlement{limited(p.take(leasing.Wanted{})[0], "a", "")})
	p.must(err)
	if settled[0].Became != leasing.Cooling || settled[0].Others != 0 || p.field("t", "group") != "" {
		t.Errorf("%+v, group %q", settled[0], p.field("t", "group"))
	}
	if n := p.client.SCard(t.Context(), groupKey(somewhere, "a")).Val(); n != rotation.MaxGroup {
		t.Errorf("%d are known", n)
	}
}

// A tokenstore of before there were groups leaves the tokens that it deletes in theirs: they
// are forgotten when they are met, and one that is restored is of none.
func TestAGroupForgetsWhoIsGone(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a1")
		p.add("a2")
		introduce(p, 2)
		p.must(p.client.SAdd(t.Context(), groupKey(somewhere, "a"), "a3").Err())
		if _, err := p.Settle(t.Context(), []leasing.Settlement{limited(leaseOf(p, "a1"), "a", "")}); err != nil {
			t.Fatal(err)
		}
		if got := p.client.SMembers(t.Context(), groupKey(somewhere, "a")).Val(); len(got) != 2 {
			t.Errorf("%v are of the group", got)
		}
		p.set("a2", "alias", "")
		keys, args := (&deletion{id: "a2", upstream: somewhere}).deleting("")
		p.must(deleteScript.run(t.Context(), p.client, keys, args...).Err())
		p.must(p.client.HSet(t.Context(), trashKey(somewhere, "a2"), "group", "a").Err())
		keys, args = (&claim{id: "a2", upstream: somewhere}).restoring()
		p.must(restoreScript.run(t.Context(), p.client, keys, args...).Err())
		if group := p.field("a2", "group"); group != "" {
			t.Errorf("restored into %q", group)
		}
	})
}

// The script does to every token of a group what rotation.Shared says, and nothing to any
// other.
func TestTheScriptSharesByTheRule(t *testing.T) {
	t.Parallel()
	p := newLeasePool(t, testredis.Start(t))
	rapid.Check(t, func(r *rapid.T) {
		p.must(p.client.FlushDB(t.Context()).Err())
		p.add("speaker")
		now := time.Now()
		others := map[string]rotation.Other{}
		model := rapid.SampledFrom([]string{"", someModel}).Draw(r, "model")
		verdict := rotation.Verdict{Scope: rotation.Token, CoolFor: time.Duration(rapid.IntRange(1, 20).Draw(r, "minutes")) * time.Minute, Streak: 1}
		if model != "" {
			verdict.Scope = rotation.Model
		} else if rapid.Bool().Draw(r, "park") {
			verdict.Park, verdict.CoolFor = true, 0
		}
		for i := range 6 {
			id := fmt.Sprint("t", i)
			p.add(id)
			other := rotation.Other{}
			switch rapid.SampledFrom([]string{"well", "off", "parked", "rests", "stranger"}).Draw(r, id) {
			case "off":
				other.Off = true
				p.set(id, "enabled", 0)
			case "parked":
				other.Parked = true
				p.set(id, "phase", "parked")
			case "rests": // in steps that no test takes as long as
				other.Left = time.Duration(rapid.IntRange(0, 20).Draw(r, "left"))*time.Minute + 30*time.Second
				till := strconv.FormatInt(now.Add(other.Left).UnixMilli(), 10)
				if model == "" {
					p.set(id, "cooling", till)
				} else {
					p.set(id, "m:"+model, till+" 1")
				}
			case "stranger":
				others[id] = rotation.Other{Off: true} // nothing may become of it, as of one that is off
				continue
			}
			others[id] = other
			p.must(p.client.SAdd(t.Context(), groupKey(somewhere, "a"), id).Err())
			p.set(id, "group", "a")
		}
		settled, err := p.Reconcile(t.Context(), "judge", []leasing.ReservedUse{{Number: 1, Settlement: leasing.Settlement{
			LeaseRef: leasing.LeaseRef{TokenID: "speaker", LeaseID: "1-0"}, Effect: leasing.Failed, Group: "a",
			Verdict: &leasing.Verdict{Class: "rate_limit", Model: model, CoolFor: []time.Duration{verdict.CoolFor}, GroupWide: true},
		}}})
		p.must(err)
		changed := 0
		for id, other := range others {
			want := rotation.Shared(verdict, other)
			entries, err := p.client.XRange(t.Context(), historyKey(somewhere, id), "-", "+").Result()
			p.must(err)
			got := rotation.Verdict{}
			if len(entries) > 0 {
				changed++
				got = verdict
				if e := transitionFrom(entries[0]); (e.GetKind() == "parked") != want.Park || e.GetModel() != model || !want.Park && e.GetUntil().AsTime().Before(now.Add(want.CoolFor)) {
					r.Fatalf("%s: %v", id, e)
				}
			}
			if got != want {
				r.Fatalf("%s (%+v): %+v, the rule says %+v", id, other, got, want)
			}
		}
		if settled[0].Others != changed {
			r.Fatalf("%d changed: %+v", changed, settled[0])
		}
	})
}
