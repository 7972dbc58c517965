package adminapi_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// pool is a store whose tokens are listed in pages of two, and remember how they were changed.
type pool struct {
	*store
	mu      sync.Mutex
	tokens  []*tokenstorev1.Token
	updates map[string]*tokenstorev1.UpdateTokenRequest
	// became is what updates answer; nil: a token with nothing but its id.
	became *tokenstorev1.Token
}

func newPool(n int) *pool {
	p := &pool{store: newStore(), updates: map[string]*tokenstorev1.UpdateTokenRequest{}}
	for i := range n {
		p.tokens = append(p.tokens, &tokenstorev1.Token{Id: fmt.Sprint("t", i), Upstream: "cursor", Enabled: i > 0})
	}
	return p
}

func (p *pool) ListTokens(_ context.Context, r *tokenstorev1.ListTokensRequest, _ ...grpc.CallOption) (*tokenstorev1.ListTokensResponse, error) {
	from := 0
	if r.GetCursor() != "" {
		_, _ = fmt.Sscan(r.GetCursor(), &from)
	}
	var chosen []*tokenstorev1.Token
	if r.GetUpstream() == "cursor" {
		chosen = p.tokens
	}
	answer := &tokenstorev1.ListTokensResponse{Tokens: chosen[min(from, len(chosen)):min(from+2, len(chosen))]}
	if from+2 < len(chosen) {
		answer.NextCursor = fmt.Sprint(from + 2)
	}
	return answer, nil
}

func (p *pool) GetToken(_ context.Context, r *tokenstorev1.GetTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.GetTokenResponse, error) {
	at := slices.IndexFunc(p.tokens, func(t *tokenstorev1.Token) bool { return t.GetId() == r.GetId() })
	return &tokenstorev1.GetTokenResponse{Token: p.tokens[at]}, nil
}

func (p *pool) UpdateToken(_ context.Context, r *tokenstorev1.UpdateTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.UpdateTokenResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.updates[r.GetId()] = r
	return &tokenstorev1.UpdateTokenResponse{Token: cmp.Or(p.became, &tokenstorev1.Token{Id: r.GetId()})}, nil
}

func TestBulkByAFilter(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for name, test := range map[string]struct {
		body   string
		status int
		// updated are the tokens that were changed, says is in the answer.
		updated []string
		says    string
	}{
		"all that it chooses":    {`{"action":"disable","filter":{"upstream":"cursor"}}`, 200, []string{"t1", "t2", "t3", "t4"}, `"count":4`},
		"as many as were shown":  {`{"action":"enable","filter":{"upstream":"cursor"},"count":5}`, 200, []string{"t0"}, `"count":1`},
		"more than were shown":   {`{"action":"disable","filter":{"upstream":"cursor"},"count":3}`, 409, nil, "chooses 5 tokens by now, not 3; nothing was changed"},
		"none":                   {`{"action":"disable","filter":{"upstream":"vendor"}}`, 200, nil, `"count":0`},
		"until a time":           {`{"action":"disable","filter":{"upstream":"cursor"},"until":"` + later + `"}`, 200, []string{"t1", "t2", "t3", "t4"}, `"count":4`},
		"until a time of before": {`{"action":"disable","ids":["t1"],"until":"2020-01-01T00:00:00Z"}`, 400, nil, "it is in the past"},
		"an end of no end":       {`{"action":"delete","ids":["t1"],"until":"` + later + `"}`, 400, nil, "only disable has an end"},
		"by ids, too":            {`{"action":"disable","ids":["t1"],"filter":{}}`, 400, nil, "not both"},
		"a count without filter": {`{"action":"disable","ids":["t1"],"count":1}`, 400, nil, "it goes with a filter"},
		"a state that is none":   {`{"action":"disable","filter":{"state":"tired"}}`, 400, nil, "wanted, not"},
		"neither":                {`{"action":"disable"}`, 400, nil, "the ids of 1 to 5000 tokens wanted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPool(5)
			w := sendTo(t, p.store, p, "POST", "/admin/api/tokens/bulk", key, test.body)
			var updated []string
			for id, update := range p.updates {
				updated = append(updated, id)
				if until := update.GetDisabledUntil(); (until != nil) != strings.Contains(test.body, "until") {
					t.Errorf("%s is disabled until %v", id, until)
				}
			}
			slices.Sort(updated)
			for _, entry := range p.kept {
				if until := entry.GetDetails()["until"]; (until != "") != strings.Contains(test.body, "until") {
					t.Errorf("the audit log says until %q", until)
				}
			}
			if w.Code != test.status || !slices.Equal(updated, test.updated) || !strings.Contains(w.Body.String(), test.says) {
				t.Errorf("%d %s; changed %v", w.Code, w.Body, updated)
			}
		})
	}
}

// What enabled tokens whose end lies ahead is undone to that end; one that has passed has no say.
func TestAnUndoOfEnableKeepsTheEnd(t *testing.T) {
	t.Parallel()
	ahead := timestamppb.New(time.Now().Add(time.Hour).Truncate(time.Second))
	for name, c := range map[string]struct{ end, want *timestamppb.Timestamp }{
		"ahead": {ahead, ahead}, "passed": {moment, nil}, "none": {nil, nil},
	} {
		for method, enable := range map[string][2]string{
			"POST": {"/admin/api/tokens/bulk", `{"action":"enable","ids":["t0"]}`}, "PATCH": {"/admin/api/tokens/t0", `{"enabled":true}`},
		} {
			t.Run(name+" "+method, func(t *testing.T) {
				t.Parallel()
				p := newPool(1)
				p.tokens[0].DisabledUntil = c.end
				p.became = &tokenstorev1.Token{Id: "t0", Enabled: true}
				if w := sendTo(t, p.store, p, method, enable[0], key, enable[1]); w.Code != 200 || len(p.kept) != 1 {
					t.Fatalf("%d %s; audited %v", w.Code, w.Body, p.kept)
				}
				p.tokens[0] = p.became
				p.answers = append([]proto.Message{&tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{p.kept[0].GetUndo()}}}, p.answers...)
				if w := sendTo(t, p.store, p, "POST", "/admin/api/audit/r1/undo", key, ""); !strings.Contains(w.Body.String(), `"undone":1`) {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				if did := p.updates["t0"]; did.GetEnabled() || !proto.Equal(did.GetDisabledUntil(), c.want) {
					t.Errorf("it was %v", did)
				}
			})
		}
	}
}

// An undo that fails on its way is noted, with what it undid before.
func TestAnUndoThatFailsIsNoted(t *testing.T) {
	t.Parallel()
	p := newPool(2)
	undo := &tokenstorev1.AuditUndo{Enabled: []string{"t1"}, Prices: &tokenstorev1.FormerPrices{}}
	p.answers = []proto.Message{&tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{undo}}} // and no prices
	w := sendTo(t, p.store, p, "POST", "/admin/api/audit/r1/undo", key, "")
	if w.Code == 200 || len(p.kept) != 1 || p.kept[0].GetDetails()["count"] != "1" || p.kept[0].GetDetails()["failed"] != "1" {
		t.Errorf("%d %s; audited %v", w.Code, w.Body, p.kept)
	}
	if !strings.Contains(w.log, `"actor":"api 192.0.2.1"`) {
		t.Errorf("the log does not say who: %s", w.log)
	}
}

func TestBulkHasABound(t *testing.T) {
	t.Parallel()
	p := newPool(5002)
	w := sendTo(t, p.store, p, "POST", "/admin/api/tokens/bulk", key, `{"action":"disable","filter":{"upstream":"cursor"}}`)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "more than 5000") || len(p.updates) > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
