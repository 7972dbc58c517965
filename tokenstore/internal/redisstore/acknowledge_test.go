package redisstore

import (
	"testing"
	"time"
)

// Who knows of a cause says so once: it is known until the cause is over, or begins anew.
func TestAcknowledgeCause(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		acknowledge := func(class, model string) bool {
			t.Helper()
			noted, err := p.AcknowledgeCause(t.Context(), somewhere, class, model)
			p.must(err)
			return noted
		}
		// known are the causes by class and model, and whether somebody knows of each.
		known := func() map[string]bool {
			t.Helper()
			causes, err := p.causes(t.Context(), somewhere)
			p.must(err)
			known := map[string]bool{}
			for _, each := range causes {
				known[each.GetClass()+" "+each.GetModel()] = each.GetAcknowledgedAt() != nil && time.Since(each.GetAcknowledgedAt().AsTime()).Abs() < time.Hour
			}
			return known
		}
		set := func(about, state string) {
			t.Helper()
			p.must(p.client.HSet(t.Context(), causesKey(somewhere), about, state).Err())
		}
		if acknowledge("auth", "m") {
			t.Error("a cause is known that is not there")
		}
		set("auth m", "1000 1000 2000 1 1 1")
		set("upstream ", "1000 1000 2000 1 1 1")
		if !acknowledge("auth", "m") || !acknowledge("upstream", "") {
			t.Error("it can't be acknowledged")
		}
		if got := known(); !got["auth m"] || !got["upstream "] {
			t.Errorf("known are %v", got)
		}
		set("auth m", "3000 3000 4000 1 1 1") // it was over, and is there again
		if got := known(); got["auth m"] || !got["upstream "] {
			t.Errorf("after it has begun anew: %v", got)
		}
		set("upstream ", "calm 5000")
		if acknowledge("upstream", "") {
			t.Error("what is over is acknowledged")
		}
		if kept := p.client.HKeys(t.Context(), acknowledgedKey(somewhere)).Val(); len(kept) != 1 || kept[0] != "auth m" {
			t.Errorf("kept are %q", kept)
		}
		if ttl := p.client.PTTL(t.Context(), acknowledgedKey(somewhere)).Val(); ttl <= 0 || ttl > acknowledgedTTL {
			t.Errorf("it is kept for %v", ttl)
		}
	})
}
