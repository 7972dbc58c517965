package web

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/changeset"
	"carousel.internal/gateway/internal/tokenform"
	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// deletedPage has the tokens that can be brought back.
var deletedPage = view{"deleted", "deleted", (*Site).loadDeleted}

// deletedPath is its address.
const deletedPath = tokensPath + "/deleted"

const (
	// deletedShown bounds the tokens that the page names, deletionsOpened the changes of many that it
	// looks into, newest first, and deletionsLooked the tokens of which it asks whether they are back,
	// beside those of the last such change.
	deletedShown    = 200
	deletionsOpened = 10
	deletionsLooked = 5000
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
	// Lost: which they were is not kept any more, nor whether some are back.
	Lost bool
}

// Until is when they can't be brought back any more.
func (d deletion) Until() *timestamppb.Timestamp {
	return timestamppb.New(d.GetAt().AsTime().Add(changeset.Restorable))
}

// Count is how many can be brought back.
func (d deletion) Count() uint64 { return uint64(len(d.Tokens)) + d.More }

// deletedToken is one that can be brought back.
type deletedToken struct{ ID, Name string }

type deletedData struct {
	Deletions []deletion
	// Partial: there was more than the page looks at or has room for.
	Partial bool
	// Restored is the name of the token that was just brought back; empty: none was.
	Restored string
}

func (s *Site) loadDeleted(ctx context.Context, c *gin.Context) (any, error) {
	data := deletedData{Restored: c.Query("restored")}
	actions, partial, err := s.actionsSince(ctx, time.Now().Add(-changeset.Restorable))
	if err != nil {
		return data, err
	}
	data.Deletions, data.Partial, err = s.deletions(ctx, actions)
	data.Partial = data.Partial || partial
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

// deletions are those among the actions of which something is still gone, and whether there are
// more than are listed.
func (s *Site) deletions(ctx context.Context, actions []*tokenstorev1.AuditEntry) (found []deletion, partial bool, err error) {
	listed := deletionList{site: s, back: map[string]bool{}, settled: map[string]bool{}, lost: map[string]int{}}
	for _, entry := range actions {
		if err := listed.take(ctx, entry); err != nil {
			return nil, false, err
		}
	}
	there, err := usage.FindTokens(ctx, s.Tokens, tokenIDs(listed.found)) // however they came back
	if err != nil {
		return nil, false, err
	}
	left := deletedShown
	for _, each := range listed.found {
		each.Tokens = slices.DeleteFunc(each.Tokens, func(token deletedToken) bool { return there[token.ID] != nil })
		gone := len(each.Tokens)
		if each.Lost {
			found = append(found, each)
			continue
		}
		each.Tokens = each.Tokens[:min(gone, left)]
		left -= len(each.Tokens)
		each.More = uint64(gone - len(each.Tokens)) //nolint:gosec // not negative: these are of those
		switch {
		case gone > 0 && (each.Many || each.More == 0):
			found = append(found, each)
		case gone > 0:
			listed.partial = true
		}
	}
	return found, listed.partial, nil
}

// deletionList gathers deletions from actions, newest first.
type deletionList struct {
	site  *Site
	found []deletion
	// partial: there are more than are looked at.
	partial bool
	// back are tokens that are there again, or are listed as deleted later.
	back map[string]bool
	// settled are requests that were undone, or are listed.
	settled map[string]bool
	// lost are the places in found of requests of which it is not kept what they have deleted, and
	// trimmed tells that there is one: nothing is kept of older ones either.
	lost    map[string]int
	trimmed bool
	// opened is how many changes of many were looked into, and looked how many tokens were found.
	opened, looked int
}

// take takes in an action.
func (l *deletionList) take(ctx context.Context, entry *tokenstorev1.AuditEntry) error {
	request, details := entry.GetRequestId(), entry.GetDetails()
	id := details["token_id"]
	switch entry.GetAction() {
	case "token restored":
		l.back[id] = true
	case changeUndone:
		if undone := undoneBy(entry); undone != "" {
			l.settled[undone] = true
		}
	case "token deleted":
		if l.back[id] || l.settled[request] {
			return nil
		}
		if l.looked >= deletionsLooked {
			l.partial = true
			return nil
		}
		l.back[id] = true
		l.looked++
		l.found = append(l.found, deletion{AuditEntry: entry, Tokens: []deletedToken{{id, cmp.Or(details["name"], id)}}})
	case "tokens deleted":
		count, _ := strconv.ParseUint(details["count"], 10, 64) // where there is none, 0
		if place, lost := l.lost[request]; lost {
			l.found[place].More += count
			return nil
		}
		if !l.settled[request] {
			return l.open(ctx, entry, count)
		}
	}
	return nil
}

// open looks into a change of many that has deleted so many tokens, and maybe more.
func (l *deletionList) open(ctx context.Context, entry *tokenstorev1.AuditEntry, count uint64) error {
	if l.opened == deletionsOpened || l.looked >= deletionsLooked {
		l.partial = true
		return nil
	}
	l.opened++
	many := deletion{AuditEntry: entry, Many: true}
	if entry.GetUndoable() && !l.trimmed {
		kept, err := l.site.Audit.GetUndo(ctx, &tokenstorev1.GetUndoRequest{RequestId: entry.GetRequestId()})
		if err != nil {
			return err
		}
		l.trimmed = len(kept.GetUndo()) == 0
		for _, undo := range kept.GetUndo() {
			for _, id := range undo.GetDeleted() {
				if !l.back[id] {
					l.back[id] = true
					many.Tokens = append(many.Tokens, deletedToken{id, cmp.Or(undo.GetNames()[id], id)})
				}
			}
		}
		l.looked += len(many.Tokens)
	}
	if !entry.GetUndoable() || l.trimmed {
		many.Lost, many.More = true, count
		l.lost[entry.GetRequestId()] = len(l.found)
	}
	l.settled[entry.GetRequestId()] = true
	l.found = append(l.found, many)
	return nil
}

// tokenIDs are those of the deleted tokens.
func tokenIDs(deletions []deletion) []string {
	var ids []string
	for _, each := range deletions {
		for _, token := range each.Tokens {
			ids = append(ids, token.ID)
		}
	}
	return ids
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
