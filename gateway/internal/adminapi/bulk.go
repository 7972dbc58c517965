package adminapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/changeset"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/gateway/internal/tokenform"
	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxBulk is how many tokens one request may change.
	maxBulk = 5000
	// bulkWorkers is how many of them are changed at a time.
	bulkWorkers = 16
	// bulkPage is how many tokens one call lists.
	bulkPage = 1000
	// maxFailuresShown bounds the failures that an answer names one by one.
	maxFailuresShown = 100
	// maxChangesShown bounds the changes of tokens that an answer has.
	maxChangesShown = 100
	// undoIDs is how many ids an audit entry keeps; a change of more has several
	// entries with the same request id.
	undoIDs = 1000
	// undoBytes bounds what an audit entry keeps of edits; the tokenstore keeps a little more.
	undoBytes = 256 << 10
)

// bulkAction is what can be done to many tokens in one request.
type bulkAction struct {
	// audited is its name in the audit log.
	audited string
	// change does it to one token, and returns whether anything is different now. It is called by
	// several at once. Nothing has translated its errors yet.
	change func(a *API, ctx context.Context, id string) (bool, error)
	// undo says how that is undone; nil: it can't be.
	undo func(ids []string) *tokenstorev1.AuditUndo
	// details are what the audit log says beside how many tokens there are.
	details []any
}

// bulkActions make the action that a request asks for.
var bulkActions = map[string]func(body *bulkBody) (bulkAction, error){
	"delete": func(*bulkBody) (bulkAction, error) {
		return bulkAction{audited: "tokens deleted", change: (*API).deleteOne, undo: func(ids []string) *tokenstorev1.AuditUndo {
			return &tokenstorev1.AuditUndo{Deleted: ids}
		}}, nil
	},
	"enable": func(*bulkBody) (bulkAction, error) {
		return bulkAction{audited: "tokens enabled", change: (*API).enableOne, undo: func(ids []string) *tokenstorev1.AuditUndo {
			return &tokenstorev1.AuditUndo{Enabled: ids}
		}}, nil
	},
	"disable": disabling,
	"release": func(*bulkBody) (bulkAction, error) {
		return bulkAction{audited: "tokens released", change: (*API).releaseOne, undo: func([]string) *tokenstorev1.AuditUndo { return nil }}, nil
	},
	"edit": editing,
}

// bulkActionOf is the action that a request asks for.
func bulkActionOf(body *bulkBody) (bulkAction, error) {
	action, known := bulkActions[body.Action]
	switch {
	case !known:
		return bulkAction{}, jsonapi.Invalid("action", "%s wanted, not %q", oneOf(bulkActions), body.Action)
	case body.Until != nil && body.Action != "disable":
		return bulkAction{}, jsonapi.Invalid("until", "only disable has an end")
	case body.Edit != nil && body.Action != "edit":
		return bulkAction{}, jsonapi.Invalid("edit", "only edit has one")
	}
	return action(body)
}

func disabling(body *bulkBody) (bulkAction, error) {
	until, err := untilOf("until", body.Until)
	return bulkAction{
		audited: "tokens disabled",
		change:  func(a *API, ctx context.Context, id string) (bool, error) { return a.disableOne(ctx, id, until) },
		undo:    func(ids []string) *tokenstorev1.AuditUndo { return &tokenstorev1.AuditUndo{Disabled: ids} },
		details: untilSaid(until),
	}, err
}

func (a *API) deleteOne(ctx context.Context, id string) (bool, error) {
	_, err := a.Tokens.DeleteToken(ctx, &tokenstorev1.DeleteTokenRequest{Id: id})
	return err == nil, err
}

func (a *API) releaseOne(ctx context.Context, id string) (bool, error) {
	_, err := a.Tokens.ReleaseToken(ctx, &tokenstorev1.ReleaseTokenRequest{Id: id})
	return err == nil, err
}

func (a *API) enableOne(ctx context.Context, id string) (bool, error) {
	return a.switchOne(ctx, id, true)
}

// switchOne enables or disables a token. Nothing is different where it was so before.
func (a *API) switchOne(ctx context.Context, id string, enabled bool) (bool, error) {
	return a.switchTo(ctx, &tokenstorev1.UpdateTokenRequest{
		Id: id, Enabled: enabled, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"enabled"}},
	})
}

// disableOne disables a token, until a time where one is given. One that is disabled stays as
// it is, so that what was done by hand is not ended by a clock.
func (a *API) disableOne(ctx context.Context, id string, until *timestamppb.Timestamp) (bool, error) {
	if until == nil {
		return a.switchOne(ctx, id, false)
	}
	return a.switchTo(ctx, &tokenstorev1.UpdateTokenRequest{
		Id: id, DisabledUntil: until, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"enabled", "disabled_until"}},
	})
}

func (a *API) switchTo(ctx context.Context, request *tokenstorev1.UpdateTokenRequest) (bool, error) {
	before, err := a.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: request.GetId()})
	if err != nil || before.GetToken().GetEnabled() == request.GetEnabled() {
		return false, err
	}
	_, err = a.Tokens.UpdateToken(ctx, request)
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
// a difference, in their order, and for which it failed. When ctx ends no other token is begun, and
// what was begun is carried out: else a token could be changed, and nobody would know.
func (a *API) eachToken(ctx context.Context, ids []string, change func(ctx context.Context, id string) (bool, error)) ([]string, failures, error) {
	changed, errs := make([]bool, len(ids)), make([]error, len(ids))
	do := func(i int) {
		if errs[i] = ctx.Err(); errs[i] != nil {
			return
		}
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Timeout)
		defer cancel()
		changed[i], errs[i] = change(own, ids[i])
	}
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(bulkWorkers, len(ids)) {
		workers.Go(func() {
			for i := range next {
				do(i)
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

// selection chooses tokens by their ids, or by what GET /admin/api/tokens is asked for.
type selection struct {
	IDs    []string    `json:"ids"`
	Filter *bulkFilter `json:"filter"`
	// Count is how many the filter chose when somebody looked; absent: however many there are.
	Count *int `json:"count"`
}

type bulkBody struct {
	selection
	Action string     `json:"action"`
	Until  *time.Time `json:"until"`
	Edit   *bulkEdit  `json:"edit"`
	// DryRun only tells what would be changed.
	DryRun bool `json:"dry_run"`
}

type bulkFilter struct {
	Upstream string `json:"upstream"`
	State    string `json:"state"`
	Tag      string `json:"tag"`
	Query    string `json:"q"`
}

// chosen answers the ids of the tokens that a request is about, each once; most is how many it may
// be.
func (a *API) chosen(ctx context.Context, body *selection, most int) ([]string, error) {
	switch {
	case body.Filter == nil && (len(body.IDs) == 0 || len(body.IDs) > most):
		return nil, jsonapi.Invalid("ids", "the ids of 1 to %d tokens wanted, not %d", most, len(body.IDs))
	case body.Filter == nil && body.Count != nil:
		return nil, jsonapi.Invalid("count", "it goes with a filter")
	case body.Filter == nil:
		slices.Sort(body.IDs)
		return slices.Compact(body.IDs), nil
	case len(body.IDs) > 0:
		return nil, jsonapi.Invalid("filter", "ids or a filter wanted, not both")
	}
	ids, err := a.filtered(ctx, body.Filter, most)
	switch {
	case err != nil:
		return nil, err
	case len(ids) > most:
		return nil, jsonapi.Invalid("filter", "it chooses more than %d tokens, which are the most of one request; narrow it", most)
	case body.Count != nil && *body.Count != len(ids):
		return nil, &chat.Error{
			Kind: chat.Conflict, Param: "count", Message: fmt.Sprintf("the filter chooses %d tokens by now, not %d; nothing was changed", len(ids), *body.Count),
		}
	}
	return ids, nil
}

// filtered answers the ids of the tokens that a filter chooses, some more than most at most.
func (a *API) filtered(ctx context.Context, filter *bulkFilter, most int) ([]string, error) {
	request := &tokenstorev1.ListTokensRequest{Upstream: filter.Upstream, Tag: filter.Tag, Query: filter.Query, Limit: bulkPage}
	if filter.State != "" {
		var known bool
		if request.State, known = tokenform.States[filter.State]; !known {
			return nil, jsonapi.Invalid("filter.state", "%s wanted, not %q", oneOf(tokenform.States), filter.State)
		}
	}
	var ids []string
	for len(ids) <= most {
		page, err := a.Tokens.ListTokens(ctx, request)
		if err != nil {
			return nil, storeerr.Translate(err)
		}
		for _, t := range page.GetTokens() {
			ids = append(ids, t.GetId())
		}
		if request.Cursor = page.GetNextCursor(); request.Cursor == "" {
			break
		}
	}
	return ids, nil
}

// POST /admin/api/tokens/bulk
func (a *API) bulk(c *gin.Context) error {
	var body bulkBody
	if err := a.decode(c, &body); err != nil {
		return err
	}
	action, err := bulkActionOf(&body)
	if err != nil {
		return err
	}
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	ids, err := a.chosen(ctx, &body.selection, maxBulk)
	if err != nil {
		return err
	}
	before := a.knownTokens(ctx, ids)
	names := usage.Names(before, tokenform.Name)
	does := a
	if body.DryRun {
		does = a.rehearsed(time.Now())
	}
	done, failed, last := a.eachToken(ctx, ids, func(ctx context.Context, id string) (bool, error) { return action.change(does, ctx, id) })
	if failed.Count == len(ids) && failed.Count > 0 && len(done) == 0 && sameReason(failed.Named) {
		return last // it failed as a whole
	}
	shown := done[:min(len(done), maxChangesShown)]
	changes := changeset.Of([]*tokenstorev1.AuditUndo{named(action.undo(shown), shown, names)})
	changes = changes[:min(len(changes), maxChangesShown)] // an edit changes several things of a token
	if body.DryRun {
		return jsonapi.Answer(c, http.StatusOK, bulkAnswer{nil, len(done), failed.Count, nullable.List(failed.Named), nullable.List(changes)})
	}
	for some := range slices.Chunk(done, undoIDs) {
		for _, part := range undoParts(some, func(ids []string) *tokenstorev1.AuditUndo {
			return withEnds(named(action.undo(ids), ids, names), before)
		}) {
			said := append([]any{"count", len(part.ids), "names", firstNames(part.ids, names)}, action.details...)
			a.NoteUndoable(c, part.undo, action.audited, said...)
		}
	}
	return jsonapi.Answer(c, http.StatusOK, bulkAnswer{new(jsonapi.RequestID(c)), len(done), failed.Count, nullable.List(failed.Named), nullable.List(changes)})
}

// undoPart is what undoes a change of some tokens.
type undoPart struct {
	ids  []string
	undo *tokenstorev1.AuditUndo
}

// undoParts are what undoes a change of these tokens, in halves where it is too large for one entry.
func undoParts(ids []string, of func(ids []string) *tokenstorev1.AuditUndo) []undoPart {
	undo, half := of(ids), len(ids)/2
	if half == 0 || proto.Size(undo) <= undoBytes {
		return []undoPart{{ids, undo}}
	}
	return append(undoParts(ids[:half], of), undoParts(ids[half:], of)...)
}

// bulkAnswer says what was changed, or would be.
type bulkAnswer struct {
	// Change is by what it can be undone; null where nothing was changed to see what would be.
	Change *string        `json:"change"`
	Count  int            `json:"count"`
	Failed int            `json:"failed"`
	Named  []tokenFailure `json:"failures"`
	// Changes are the first of those that can be undone.
	Changes []changeset.Change `json:"changes"`
}

func sameReason(failed []tokenFailure) bool {
	for _, each := range failed {
		if each.Reason != failed[0].Reason {
			return false
		}
	}
	return true
}
