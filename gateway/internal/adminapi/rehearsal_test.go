package adminapi_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A dry run of a bulk action tells what would change, and neither changes nor audits anything.
func TestBulkRehearsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, says string }{
		"disable": {`{"action":"disable","ids":["t0","t1"],"dry_run":true}`, `{"change":null,"count":1,"failed":0,"failures":[],"changes":[` +
			`{"kind":"token","id":"t1","name":"t1","deed":"changed","field":"enabled","before":"true","after":"false"}]}`},
		"enable":              {`{"action":"enable","ids":["t0","t1"],"dry_run":true}`, `"id":"t0"`},
		"delete":              {`{"action":"delete","ids":["t1"],"dry_run":true}`, `"deed":"deleted"`},
		"release":             {`{"action":"release","ids":["t1"],"dry_run":true}`, `"count":1`},
		"until a time before": {`{"action":"disable","ids":["t1"],"until":"2020-01-01T00:00:00Z","dry_run":true}`, "it is in the past"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPool(5)
			w := sendTo(t, p.store, p, "POST", "/admin/api/tokens/bulk", key, c.body)
			if !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if len(p.updates) > 0 || len(p.kept) > 0 || wrote(p.asked) {
				t.Errorf("changed %v, audited %v, asked %T", p.updates, p.kept, p.asked)
			}
		})
	}
}

// A dry run of an edit refuses what the edit would be refused for, in the same words.
func TestBulkEditRehearsed(t *testing.T) {
	t.Parallel()
	for edit, says := range map[string]string{
		`{"weight":1001}`:              `"message":"weight is 1 to 1000"`,
		`{"weight":0}`:                 `"message":"weight is 1 to 1000"`,
		`{"cap":100001,"weight":1001}`: `"message":"cap is at most 100000; 0 is unlimited; weight is 1 to 1000"`,
		`{"tags":["a",""]}`:            `"message":"a tag has 1 to 50 characters"`,
		`{"add_tags":["a\n"]}`:         `"reason":"the tag has spaces at its ends"`,
		`{"cap":100000,"weight":1000}`: `"count":3,"failed":0`,
		// One of them has as many tags as a token may have.
		`{"add_tags":["one more"]}`: `"count":2,"failed":1,"failures":[{"token_id":"t2","reason":"there are more than 32 tags"}]`,
	} {
		t.Run(edit, func(t *testing.T) {
			t.Parallel()
			p := newEdited()
			for n := range 32 {
				p.tokens[2].Tags = append(p.tokens[2].Tags, fmt.Sprint("tag ", n))
			}
			w := sendTo(t, p.store, p, "POST", "/admin/api/tokens/bulk", key, `{"action":"edit","ids":["t0","t1","t2"],"dry_run":true,"edit":`+edit+`}`)
			if !strings.Contains(w.Body.String(), says) || len(p.updates) > 0 {
				t.Errorf("%d %s; changed %v", w.Code, w.Body, p.updates)
			}
		})
	}
}

// wrote tells whether a question to the store is one that changes something.
func wrote(asked proto.Message) bool {
	if asked == nil {
		return false
	}
	name := string(asked.ProtoReflect().Descriptor().Name())
	return !strings.HasPrefix(name, "Get") && !strings.HasPrefix(name, "List")
}

// A dry run of an undo judges what was changed since as the undo does, and writes nothing.
func TestUndoRehearsed(t *testing.T) {
	t.Parallel()
	recently := timestamppb.New(time.Now().Add(-time.Minute))
	long := timestamppb.New(time.Now().Add(-25 * time.Hour))
	edit := &tokenstorev1.FormerToken{Id: "t2", Fields: []string{"cap"}, Edit: &tokenstorev1.TokenEdit{}, Became: &tokenstorev1.TokenEdit{Cap: 4}}
	for name, c := range map[string]struct {
		undo *tokenstorev1.AuditUndo
		at   *timestamppb.Timestamp
		// now is the token; nil: as the store's other answers have it.
		now  *tokenstorev1.Token
		says string
	}{
		"an edit":               {&tokenstorev1.AuditUndo{Tokens: []*tokenstorev1.FormerToken{edit}}, recently, &tokenstorev1.Token{Id: "t2", Cap: 4}, `{"undone":1,"failed":0,"failures":[]}`},
		"an edit, changed":      {&tokenstorev1.AuditUndo{Tokens: []*tokenstorev1.FormerToken{edit}}, recently, &tokenstorev1.Token{Id: "t2", Cap: 9}, "it has been changed since"},
		"a switch":              {&tokenstorev1.AuditUndo{Disabled: []string{"t2"}}, recently, &tokenstorev1.Token{Id: "t2"}, `{"undone":1,"failed":0,"failures":[]}`},
		"a switch, back since":  {&tokenstorev1.AuditUndo{Disabled: []string{"t2"}}, recently, &tokenstorev1.Token{Id: "t2", Enabled: true}, `"undone":0,"failed":1`},
		"restored already":      {&tokenstorev1.AuditUndo{Deleted: []string{"t2"}}, recently, &tokenstorev1.Token{Id: "t2"}, "it has been restored already"},
		"a deletion, long past": {&tokenstorev1.AuditUndo{Deleted: []string{"t2"}}, long, &tokenstorev1.Token{Id: "t2"}, `"undone":0,"failed":1`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			s.answers = append([]proto.Message{
				&tokenstorev1.GetTokenResponse{Token: c.now}, &tokenstorev1.GetUndoResponse{At: c.at, Undo: []*tokenstorev1.AuditUndo{c.undo}},
			}, s.answers...)
			w := send(t, s, "POST", "/admin/api/audit/r1/undo?dry_run=true", key, "")
			if w.Code != 200 || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if wrote(s.asked) || len(s.kept) > 0 {
				t.Errorf("asked %T, audited %v", s.asked, s.kept)
			}
		})
	}
}

// Within the process the routes check no key, and say what goes wrong in a form of their own.
func TestWithin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path   string
		status int
		says   string
	}{
		"an answer":   {"/admin/api/tokens/t2", 200, `"id":"t2"`},
		"a fault":     {"/admin/api/tokens?limit=x", 400, `{"kind":"invalid_request","message":"limit: 1 to 1000 wanted, not \"x\""}`},
		"no route":    {"/admin/api/nope", 400, `"kind":"not_found"`},
		"other pages": {"/get-user-info", 400, `"kind":"not_found"`},
	} {
		w := httptest.NewRecorder()
		s := newStore()
		apiOf(s, s, auth.New(secret.New("right"), nil), slog.New(slog.DiscardHandler)).Within().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", c.path, nil))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
