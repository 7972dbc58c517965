package adminapi_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/adminapi"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/movein"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// moveDesk remembers what it is asked for.
type moveDesk struct {
	wanted  movein.Wanted
	applied bool
	// half: it fails in the middle.
	half error
}

func (d *moveDesk) report() movein.Report {
	return movein.Report{
		Applied: d.applied, Files: []movein.ReportFile{{Name: "a.yaml", Format: "litellm"}}, Counts: movein.Counts{Taken: 1},
		Items: []movein.ReportItem{{File: "a.yaml", Kind: "token", Outcome: "taken"}},
	}
}

func (d *moveDesk) Plan(_ context.Context, wanted movein.Wanted) (movein.Report, error) {
	d.wanted = wanted
	return d.report(), nil
}

func (d *moveDesk) Apply(_ context.Context, wanted movein.Wanted) (movein.Report, *tokenstorev1.AuditUndo, error) {
	d.wanted, d.applied = wanted, d.half == nil
	return d.report(), &tokenstorev1.AuditUndo{Routes: []*tokenstorev1.FormerRoute{{Name: "fast"}}}, d.half
}

func (d *moveDesk) Write(context.Context, string) (movein.Written, error) {
	return movein.Written{File: []byte("model_list: []\n"), Count: 3, Left: 1}, nil
}

func TestMovingOutByTheAPI(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.moves = &moveDesk{}
	w := send(t, s, "GET", "/admin/api/move-out?format=litellm", key, "")
	if w.Code != http.StatusOK || w.Body.String() != "model_list: []\n" || w.Header().Get("X-Carousel-Left-Tokens") != "1" || !strings.Contains(w.Header().Get("Content-Disposition"), "config.yaml") {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if len(s.kept) != 1 || s.kept[0].GetAction() != "tokens exported" || s.kept[0].GetDetails()["format"] != "litellm" {
		t.Errorf("the audit log has %v", s.kept)
	}
}

func (s *store) mover() adminapi.MoveIns {
	if s.moves != nil {
		return s.moves
	}
	return movein.NewDesk(s, s, func(upstream.Config) error { return nil })
}

func TestMovingInByTheAPI(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.moves = &moveDesk{}
	form, contentType := formOf(t)
	w := send(t, s, "POST", "/admin/api/move-in?format=litellm", key, form, "Content-Type", contentType)
	if w.Code != http.StatusOK || !s.moves.applied || s.moves.wanted.Format != "litellm" {
		t.Fatalf("%d %s, asked for %+v", w.Code, w.Body, s.moves.wanted)
	}
	if files := s.moves.wanted.Files; len(files) != 1 || files[0].Name != "a.age" || string(files[0].Content) != "sealed\xff" {
		t.Errorf("files %+v", files)
	}
	if len(s.kept) != 1 || s.kept[0].GetAction() != "moved in" || s.kept[0].GetDetails()["taken"] != "1" || len(s.kept[0].GetUndo().GetRoutes()) != 1 {
		t.Errorf("the audit log has %v", s.kept)
	}
}

func TestAMoveThatIsOnlyPlanned(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.moves = &moveDesk{}
	w := send(t, s, "POST", "/admin/api/move-in?dry_run=true&name=one-api.db", key, "SQLite format 3\x00")
	if w.Code != http.StatusOK || s.moves.applied || len(s.kept) > 0 || s.moves.wanted.Files[0].Name != "one-api.db" {
		t.Errorf("%d %s, applied %t, the audit log has %v", w.Code, w.Body, s.moves.applied, s.kept)
	}
}

// A move that fails in the middle leaves a trace, and what it did can be undone.
func TestAMoveThatFails(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.moves = &moveDesk{}
	s.moves.half = chat.Errorf(chat.StoreUnavailable, "away")
	w := send(t, s, "POST", "/admin/api/move-in", key, "model_list: []")
	if w.Code < 500 || !slices.ContainsFunc(s.kept, func(e *tokenstorev1.AuditEntry) bool {
		return e.GetAction() == "moved in in part" && e.GetUndo() != nil
	}) {
		t.Errorf("%d, the audit log has %v", w.Code, s.kept)
	}
	if w := send(t, newStore(), "POST", "/admin/api/move-in?dry-run=true", key, "model_list: []"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "dry_run") {
		t.Errorf("a misspelt parameter: %d %s", w.Code, w.Body)
	}
}
