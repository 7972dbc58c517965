package adminapi

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxBulk is how many tokens one request may change.
	maxBulk = 5000
	// bulkWorkers is how many of them are changed at a time.
	bulkWorkers = 16
	// maxFailuresShown bounds the failures that an answer names one by one.
	maxFailuresShown = 100
	// undoIDs is how many ids an audit entry keeps; a change of more has several
	// entries with the same request id.
	undoIDs = 1000
)

// bulkAction is what can be done to many tokens in one request.
type bulkAction struct {
	// audited is its name in the audit log.
	audited string
	// change does it to one token, and returns whether anything is different now.
	change func(a *API, ctx context.Context, id string) (bool, error)
	// undo says how that is undone; nil: it can't be.
	undo func(ids []string) *tokenstorev1.AuditUndo
}

var bulkActions = map[string]bulkAction{
	"delete": {"tokens deleted", (*API).deleteOne, func(ids []string) *tokenstorev1.AuditUndo { return &tokenstorev1.AuditUndo{Deleted: ids} }},
	"enable": {
		"tokens enabled", func(a *API, ctx context.Context, id string) (bool, error) { return a.switchOne(ctx, id, true) },
		func(ids []string) *tokenstorev1.AuditUndo { return &tokenstorev1.AuditUndo{Enabled: ids} },
	},
	"disable": {
		"tokens disabled", func(a *API, ctx context.Context, id string) (bool, error) { return a.switchOne(ctx, id, false) },
		func(ids []string) *tokenstorev1.AuditUndo { return &tokenstorev1.AuditUndo{Disabled: ids} },
	},
	"release": {"tokens released", (*API).releaseOne, func([]string) *tokenstorev1.AuditUndo { return nil }},
}

func (a *API) deleteOne(ctx context.Context, id string) (bool, error) {
	_, err := a.Tokens.DeleteToken(ctx, &tokenstorev1.DeleteTokenRequest{Id: id})
	return err == nil, err
}

func (a *API) releaseOne(ctx context.Context, id string) (bool, error) {
	_, err := a.Tokens.ReleaseToken(ctx, &tokenstorev1.ReleaseTokenRequest{Id: id})
	return err == nil, err
}

// switchOne enables or disables a token. Nothing is different where it was so before.
func (a *API) switchOne(ctx context.Context, id string, enabled bool) (bool, error) {
	before, err := a.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: id})
	if err != nil || before.GetToken().GetEnabled() == enabled {
		return false, err
	}
	_, err = a.Tokens.UpdateToken(ctx, &tokenstorev1.UpdateTokenRequest{
		Id: id, Enabled: enabled, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"enabled"}},
	})
	return err == nil, err
}

// tokenFailure is a token that something did not work for.
type tokenFailure struct {
	TokenID string `json:"token_id"`
	Reason  string `json:"reason"`
}

// failures are what did not work: the first ones by name.
type failures struct {
	Named []tokenFailure
	Count int
}

func (f *failures) add(id, reason string) {
	if f.Count++; len(f.Named) < maxFailuresShown {
		f.Named = append(f.Named, tokenFailure{id, reason})
	}
}

// eachToken does something to every token, some at a time, and returns for which it made
// a difference, in their order, and for which it failed.
func eachToken(ctx context.Context, ids []string, change func(ctx context.Context, id string) (bool, error)) ([]string, failures, error) {
	changed, errs := make([]bool, len(ids)), make([]error, len(ids))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(bulkWorkers, len(ids)) {
		workers.Go(func() {
			for i := range next {
				changed[i], errs[i] = change(ctx, ids[i])
			}
		})
	}
	for i := range ids {
		next <- i
	}
	close(next)
	workers.Wait()
	var done []string
	var failed failures
	var last error
	for i, id := range ids {
		if errs[i] != nil {
			last = storeerr.Translate(errs[i])
			failed.add(id, chat.AsError(last).Message)
		} else if changed[i] {
			done = append(done, id)
		}
	}
	return done, failed, last
}

// POST /admin/api/tokens/bulk
func (a *API) bulk(c *gin.Context) error {
	var body struct {
		Action string   `json:"action"`
		IDs    []string `json:"ids"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	action, known := bulkActions[body.Action]
	switch {
	case !known:
		return jsonapi.Invalid("action", "%s wanted, not %q", oneOf(bulkActions), body.Action)
	case len(body.IDs) == 0 || len(body.IDs) > maxBulk:
		return jsonapi.Invalid("ids", "the ids of 1 to %d tokens wanted, not %d", maxBulk, len(body.IDs))
	}
	slices.Sort(body.IDs)
	ids := slices.Compact(body.IDs)
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	names := a.tokenNames(ctx, ids)
	done, failed, last := eachToken(ctx, ids, func(ctx context.Context, id string) (bool, error) { return action.change(a, ctx, id) })
	if failed.Count == len(ids) && failed.Count > 0 && len(done) == 0 && sameReason(failed.Named) {
		return last // it failed as a whole
	}
	for some := range slices.Chunk(done, undoIDs) {
		a.NoteUndoable(c, named(action.undo(some), some, names), action.audited, "count", len(some), "names", firstNames(some, names))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		// Change is by what it can be undone.
		Change string         `json:"change"`
		Count  int            `json:"count"`
		Failed int            `json:"failed"`
		Named  []tokenFailure `json:"failures"`
	}{jsonapi.RequestID(c), len(done), failed.Count, nullable.List(failed.Named)})
}

func sameReason(failed []tokenFailure) bool {
	for _, each := range failed {
		if each.Reason != failed[0].Reason {
			return false
		}
	}
	return true
}
