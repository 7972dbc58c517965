package web

import (
	"cmp"
	"context"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/tokenform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// deletedPage has the tokens that can be brought back.
var deletedPage = view{"deleted", "deleted", (*Site).loadDeleted}

// deletedPath is its address.
const deletedPath = tokensPath + "/deleted"

const (
	// deletedShown bounds the tokens that the page names, and deletionsOpened the changes of many
	// that it looks into, newest first.
	deletedShown    = 200
	deletionsOpened = 20
	// actionsScanned bounds the actions among which it looks for deletions.
	actionsScanned = 4000
	// actionsPerCall is how many one call of the tokenstore answers at most.
	actionsPerCall = 1000
)

// deletion is what one request of an admin has deleted and nobody has brought back.
type deletion struct {
	*tokenstorev1.AuditEntry
	Tokens []deletedToken
	// Many: they were deleted together, and can be brought back together.
	Many bool
	// More is how many others were deleted that are not named.
	More uint64
}

// Until is when they can't be brought back any more.
func (d deletion) Until() *timestamppb.Timestamp {
	return timestamppb.New(d.GetAt().AsTime().Add(restorable))
}

// Count is how many can be brought back.
func (d deletion) Count() uint64 { return uint64(len(d.Tokens)) + d.More }

// deletedToken is one that can be brought back.
type deletedToken struct{ ID, Name string }

type deletedData struct {
	Deletions []deletion
	// Partial: there was more activity than the page looks at.
	Partial bool
	// Restored is the name of the token that was just brought back; empty: none was.
	Restored string
}

func (s *Site) loadDeleted(ctx context.Context, c *gin.Context) (any, error) {
	data := deletedData{Restored: c.Query("restored")}
	actions, partial, err := s.actionsSince(ctx, time.Now().Add(-restorable))
	if err != nil {
		return data, err
	}
	data.Partial = partial
	data.Deletions, err = s.deletions(ctx, actions)
	return data, err
}

// actionsSince are what admins have done since a time, newest first, and whether there is more of
// it than is looked at.
func (s *Site) actionsSince(ctx context.Context, since time.Time) (actions []*tokenstorev1.AuditEntry, partial bool, err error) {
	request := &tokenstorev1.ListActivityRequest{
		Source: tokenstorev1.ActivitySource_ACTIVITY_SOURCE_PEOPLE, From: timestamppb.New(since), Limit: actionsPerCall,
	}
	for range actionsScanned / actionsPerCall {
		page, err := s.Audit.ListActivity(ctx, request)
		if err != nil {
			return actions, false, err
		}
		for _, each := range page.GetActivities() {
			if entry := each.GetEntry(); entry != nil {
				actions = append(actions, entry)
			}
		}
		if request.Cursor = page.GetNextCursor(); request.Cursor == "" {
			return actions, false, nil
		}
	}
	return actions, true, nil
}

// deletions are those among the actions of which something is still gone.
func (s *Site) deletions(ctx context.Context, actions []*tokenstorev1.AuditEntry) ([]deletion, error) {
	var found []deletion
	back := map[string]bool{}    // tokens that are there again, or are listed as deleted later
	settled := map[string]bool{} // requests that were undone, or are listed
	opened, named := 0, 0
	for _, entry := range actions {
		id := entry.GetDetails()["token_id"]
		switch entry.GetAction() {
		case "token restored":
			back[id] = true
		case "change undone":
			settled[entry.GetDetails()["change"]] = entry.GetDetails()["failed"] == "0"
		case "token deleted":
			if back[id] || settled[entry.GetRequestId()] || named == deletedShown {
				continue
			}
			back[id], named = true, named+1
			one := deletedToken{id, cmp.Or(entry.GetDetails()["name"], id)}
			found = append(found, deletion{AuditEntry: entry, Tokens: []deletedToken{one}})
		case "tokens deleted":
			if settled[entry.GetRequestId()] || opened == deletionsOpened || named == deletedShown {
				continue
			}
			settled[entry.GetRequestId()], opened = true, opened+1
			many, err := s.deletedTogether(ctx, entry, back, deletedShown-named)
			if err != nil {
				return found, err
			}
			if named += len(many.Tokens); len(many.Tokens) > 0 {
				found = append(found, many)
			}
		}
	}
	return found, nil
}

// deletedTogether are the tokens that one request has deleted and that are not back, the first few
// of them by name.
func (s *Site) deletedTogether(ctx context.Context, entry *tokenstorev1.AuditEntry, back map[string]bool, most int) (deletion, error) {
	many := deletion{AuditEntry: entry, Many: true}
	kept, err := s.Audit.GetUndo(ctx, &tokenstorev1.GetUndoRequest{RequestId: entry.GetRequestId()})
	if err != nil {
		return many, err
	}
	for _, undo := range kept.GetUndo() {
		for _, id := range undo.GetDeleted() {
			if back[id] {
				continue
			}
			if back[id] = true; len(many.Tokens) == most {
				many.More++
				continue
			}
			many.Tokens = append(many.Tokens, deletedToken{id, cmp.Or(undo.GetNames()[id], id)})
		}
	}
	return many, nil
}

// POST /admin/tokens/deleted: brings the token with the `id` back.
func (s *Site) restoreToken(c *gin.Context) {
	if _, ok := s.permitted(c); !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	id := c.PostForm("id")
	answer, err := s.Tokens.RestoreToken(ctx, &tokenstorev1.RestoreTokenRequest{Id: id})
	if err != nil {
		s.fail(c, err)
		return
	}
	name := tokenform.Name(answer.GetToken())
	s.Note(c, "token restored", "token_id", id, "name", name)
	seeOther(c, deletedPath+"?restored="+url.QueryEscape(name))
}
