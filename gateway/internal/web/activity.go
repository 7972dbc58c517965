package web

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var activityPage = view{"activity", "activity", (*Site).loadActivity}

// actionsPerPage is how many rows a page of the audit log has.
const actionsPerPage = 50

// blaming are the classes of failure for which a token rests.
var blaming = []string{"auth", "quota", "rate_limit", "model_not_allowed"}

type activityData struct {
	Classes   []string
	Upstreams []string
	// Class, Upstream and From are what a link has filled in of the form.
	Class, Upstream, From string
	Actions               []action
	Next, First           string
}

// action is what an admin did in one request.
type action struct {
	*tokenstorev1.AuditEntry
	// Entries is how many entries of the log it has.
	Entries int
	// Count is how many tokens a bulk action was about.
	Count uint64
	// Undone: somebody has undone it.
	Undone bool
}

// restorable is how long a deleted token or client key can be brought back.
const restorable = time.Hour

// deletes are the actions whose undo brings tokens and client keys back.
var deletes = []string{"token deleted", "tokens deleted", "key deleted"}

// CanUndo tells whether the page offers it.
func (a action) CanUndo(now time.Time) bool {
	late := slices.Contains(deletes, a.GetAction()) && now.Sub(a.GetAt().AsTime()) >= restorable
	return a.GetUndoable() && !a.Undone && !late
}

// Gone tells whether the token or client key that it is about was deleted by it.
func (a action) Gone() bool { return slices.Contains(deletes, a.GetAction()) }

// actionsOf makes one row of the entries of one request, and marks those rows that a
// later one has undone.
func actionsOf(entries []*tokenstorev1.AuditEntry) []action {
	var actions []action
	undone := map[string]bool{}
	for _, entry := range entries { // newest first
		if entry.GetAction() == "change undone" && entry.GetDetails()["failed"] == "0" {
			undone[entry.GetDetails()["change"]] = true
		}
		count, _ := strconv.ParseUint(entry.GetDetails()["count"], 10, 64) // where there is none, 0
		last := len(actions) - 1
		if last >= 0 && entry.GetRequestId() != "" && actions[last].GetRequestId() == entry.GetRequestId() && actions[last].GetAction() == entry.GetAction() {
			actions[last].Entries++
			actions[last].Count += count
			continue
		}
		actions = append(actions, action{AuditEntry: entry, Entries: 1, Count: count, Undone: undone[entry.GetRequestId()]})
	}
	return actions
}

type detail struct{ Name, Value string }

// Instant is the value as a time; nil where it is none.
func (d detail) Instant() *timestamppb.Timestamp {
	at, err := time.Parse(time.RFC3339, d.Value)
	if err != nil {
		return nil
	}
	return timestamppb.New(at)
}

// TokenID is that of the token it was done to; empty where it was none, or many.
func (a action) TokenID() string { return a.GetDetails()["token_id"] }

// KeyID is TokenID for a client key.
func (a action) KeyID() string { return a.GetDetails()["key_id"] }

// Facts are the other details, by name.
func (a action) Facts() []detail {
	var facts []detail
	for _, name := range slices.Sorted(maps.Keys(a.GetDetails())) {
		switch name {
		case "token_id", "key_id":
		case "count":
			facts = append(facts, detail{name, strconv.FormatUint(a.Count, 10)})
		default:
			facts = append(facts, detail{name, a.GetDetails()[name]})
		}
	}
	return facts
}

func (s *Site) loadActivity(ctx context.Context, c *gin.Context) (any, error) {
	data := activityData{
		Classes: blaming, Class: c.Query("class"), Upstream: c.Query("upstream"), From: c.Query("from"),
	}
	page, err := s.Audit.ListAudit(ctx, &tokenstorev1.ListAuditRequest{Limit: actionsPerPage, Cursor: c.Query("cursor")})
	if err != nil {
		return data, err
	}
	data.Actions = actionsOf(page.GetEntries())
	data.Next, data.First = turns(c.Request.URL, page.GetNextCursor())
	data.Upstreams, err = s.upstreamNames(ctx)
	return data, err
}
