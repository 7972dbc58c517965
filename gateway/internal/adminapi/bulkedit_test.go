package adminapi_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// edited is a pool whose tokens become what they are changed to.
type edited struct{ *pool }

func (p edited) UpdateToken(ctx context.Context, r *tokenstorev1.UpdateTokenRequest, options ...grpc.CallOption) (*tokenstorev1.UpdateTokenResponse, error) {
	if _, err := p.pool.UpdateToken(ctx, r, options...); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.IndexFunc(p.tokens, func(t *tokenstorev1.Token) bool { return t.GetId() == r.GetId() })
	became := proto.CloneOf(p.tokens[at])
	for _, field := range r.GetUpdateMask().GetPaths() {
		switch field {
		case "tags":
			became.Tags = r.GetTags()
		case "cap":
			became.Cap = r.GetCap()
		case "weight":
			became.Weight = r.GetWeight()
		}
	}
	p.tokens[at] = became
	return &tokenstorev1.UpdateTokenResponse{Token: became}, nil
}

func (p edited) GetToken(ctx context.Context, r *tokenstorev1.GetTokenRequest, options ...grpc.CallOption) (*tokenstorev1.GetTokenResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pool.GetToken(ctx, r, options...)
}

func newEdited() edited {
	p := edited{newPool(3)}
	for i, each := range []*tokenstorev1.Token{
		{Tags: []string{"old"}, Cap: 2, Weight: 1, Version: 7}, {Tags: []string{"new", "old"}, Cap: 4, Weight: 3, Version: 8}, {Cap: 4, Weight: 1, Version: 9},
	} {
		each.Id, each.Upstream = p.tokens[i].GetId(), "cursor"
		p.tokens[i] = each
	}
	return p
}

func (p edited) String() string {
	var said []string
	for _, each := range p.tokens {
		said = append(said, fmt.Sprintf("%s %d %d", strings.Join(each.GetTags(), "+"), each.GetCap(), each.GetWeight()))
	}
	return strings.Join(said, ", ")
}

const editedBefore = "old 2 1, new+old 4 3,  4 1"

// Tags, caps and weights of many tokens are changed as one change, which its undo takes back; those
// that were so before are not touched.
func TestBulkEdit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit string
		// became are the tokens, count how many are different, fields what the audit log says.
		became string
		count  string
		fields string
	}{
		"a cap":          {`{"cap":4}`, "old 4 1, new+old 4 3,  4 1", `"count":1`, "cap"},
		"a weight":       {`{"weight":3}`, "old 2 3, new+old 4 3,  4 3", `"count":2`, "weight"},
		"tags":           {`{"tags":["new"]}`, "new 2 1, new 4 3, new 4 1", `"count":3`, "tags"},
		"no tags":        {`{"tags":[]}`, " 2 1,  4 3,  4 1", `"count":2`, "tags"},
		"one more tag":   {`{"add_tags":["new"]}`, "old+new 2 1, new+old 4 3, new 4 1", `"count":2`, "tags"},
		"a tag less":     {`{"remove_tags":["old"]}`, " 2 1, new 4 3,  4 1", `"count":2`, "tags"},
		"several things": {`{"add_tags":["new"],"remove_tags":["old"],"cap":0,"weight":1}`, "new 0 1, new 0 1, new 0 1", `"count":3`, "tags, cap, weight"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newEdited()
			body := `{"action":"edit","filter":{"upstream":"cursor"},"count":3,"edit":` + c.edit
			if w := sendTo(t, p.store, p, "POST", "/admin/api/tokens/bulk", key, body+`,"dry_run":true}`); !strings.Contains(w.Body.String(), c.count) || p.String() != editedBefore {
				t.Errorf("a dry run: %d %s; they are %s", w.Code, w.Body, p)
			}
			w := sendTo(t, p.store, p, "POST", "/admin/api/tokens/bulk", key, body+`}`)
			if w.Code != 200 || !strings.Contains(w.Body.String(), c.count) || p.String() != c.became {
				t.Fatalf("%d %s; they are %s", w.Code, w.Body, p)
			}
			for id, update := range p.updates {
				if update.GetExpectedVersion() == 0 {
					t.Errorf("%s is changed whatever others have made of it", id)
				}
			}
			if len(p.kept) != 1 || p.kept[0].GetAction() != "tokens changed" || p.kept[0].GetDetails()["fields"] != c.fields {
				t.Fatalf("audited %v", p.kept)
			}
			p.answers = append([]proto.Message{&tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{p.kept[0].GetUndo()}}}, p.answers...)
			w = sendTo(t, p.store, p, "POST", "/admin/api/audit/r1/undo", key, "")
			if w.Code != 200 || p.String() != editedBefore {
				t.Errorf("undone: %d %s; they are %s", w.Code, w.Body, p)
			}
		})
	}
}

// An undo of many edits has as many under way as the edit had.
func TestUndoOfManyEditsIsAsQuickAsTheEdits(t *testing.T) {
	t.Parallel()
	const workers = 16
	p := &together{edited: edited{newPool(workers)}, wanted: workers, all: make(chan struct{})}
	undo := &tokenstorev1.AuditUndo{}
	for _, each := range p.tokens {
		undo.Tokens = append(undo.Tokens, &tokenstorev1.FormerToken{
			Id: each.GetId(), Fields: []string{"cap"}, Edit: &tokenstorev1.TokenEdit{Cap: 4}, Became: &tokenstorev1.TokenEdit{},
		})
	}
	p.answers = append([]proto.Message{&tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{undo}}}, p.answers...)
	w := sendTo(t, p.store, p, "POST", "/admin/api/audit/r1/undo", key, "")
	if !strings.Contains(w.Body.String(), `{"undone":16,"failed":0,"failures":[]}`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// together is a pool that updates no token until so many are to be updated.
type together struct {
	edited
	wanted int
	came   atomic.Int32
	all    chan struct{}
}

func (p *together) UpdateToken(ctx context.Context, r *tokenstorev1.UpdateTokenRequest, options ...grpc.CallOption) (*tokenstorev1.UpdateTokenResponse, error) {
	if int(p.came.Add(1)) == p.wanted {
		close(p.all)
	}
	select {
	case <-p.all:
		return p.edited.UpdateToken(ctx, r, options...)
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

func TestBulkEditsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for body, says := range map[string]string{
		`{"action":"edit","ids":["t0"]}`:                                                 "what the tokens are to have is missing",
		`{"action":"edit","ids":["t0"],"edit":{}}`:                                       "tags, add_tags, remove_tags, cap or weight wanted",
		`{"action":"edit","ids":["t0"],"edit":{"tags":["a"],"add_tags":["b"]}}`:          "not both",
		`{"action":"edit","ids":["t0"],"edit":{"add_tags":["a"],"remove_tags":["a"]}}`:   "is to be added, too",
		`{"action":"edit","ids":["t0"],"edit":{"alias":"a"}}`:                            "alias",
		`{"action":"delete","ids":["t0"],"edit":{"cap":1}}`:                              "only edit has one",
		`{"action":"edit","ids":["t0"],"edit":{"cap":1},"until":"2126-01-01T00:00:00Z"}`: "only disable has an end",
		`{"action":"edit","filter":{"upstream":"cursor"},"count":2,"edit":{"weight":2}}`: "3 tokens by now",
		`{"action":"edit","ids":["t0"],"edit":{"cap":-1}}`:                               "cap",
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			p := newEdited()
			w := sendTo(t, p.store, p, "POST", "/admin/api/tokens/bulk", key, body)
			if w.Code/100 != 4 || !strings.Contains(w.Body.String(), says) || len(p.updates) > 0 {
				t.Errorf("%d %s; changed %v", w.Code, w.Body, p.updates)
			}
		})
	}
}

// A refusal is said in the tokenstore's words, as that of one token's edit is.
func TestBulkEditsThatTheStoreRefuses(t *testing.T) {
	t.Parallel()
	for method, request := range map[string][2]string{
		"POST":  {"/admin/api/tokens/bulk", `{"action":"edit","ids":["t0","t1"],"edit":{"weight":1001}}`},
		"PATCH": {"/admin/api/tokens/t0", `{"weight":1001}`},
	} {
		p := refusing{newEdited()}
		w := sendTo(t, p.store, p, method, request[0], key, request[1])
		if w.Code != 400 || !strings.Contains(w.Body.String(), `"message":"weight is 1 to 1000"`) {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
}

// refusing is a pool that takes no update, as the tokenstore says it over the wire.
type refusing struct{ edited }

func (refusing) UpdateToken(context.Context, *tokenstorev1.UpdateTokenRequest, ...grpc.CallOption) (*tokenstorev1.UpdateTokenResponse, error) {
	return nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "weight is 1 to 1000").GRPCStatus().Err()
}

// What undoes a change of tokens with many long tags has no room in one audit entry: it is in
// several of one request.
func TestUndoOfLargeEdits(t *testing.T) {
	t.Parallel()
	p := edited{newPool(200)}
	for i := range p.tokens {
		for n := range 32 {
			p.tokens[i].Tags = append(p.tokens[i].Tags, fmt.Sprint(n, strings.Repeat("签", 40)))
		}
	}
	w := sendTo(t, p.store, p, "POST", "/admin/api/tokens/bulk", key, `{"action":"edit","filter":{"upstream":"cursor"},"edit":{"tags":["short"]}}`)
	undone := 0
	for _, entry := range p.kept {
		if size := proto.Size(entry.GetUndo()); size > 288<<10 {
			t.Errorf("an entry keeps %d bytes", size)
		}
		undone += len(entry.GetUndo().GetTokens())
	}
	if w.Code != 200 || undone != 200 || len(p.kept) < 3 {
		t.Errorf("%d; %d tokens in %d entries", w.Code, undone, len(p.kept))
	}
}
