package web

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/changeset"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

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

// changeUndone is the action of an undo.
const changeUndone = "change undone"

// undoneBy is the request that an entry's action has undone as a whole; empty: none.
func undoneBy(entry *tokenstorev1.AuditEntry) string {
	if entry.GetAction() != changeUndone || entry.GetDetails()["failed"] != "0" {
		return ""
	}
	return entry.GetDetails()["change"]
}

func withEntry(rows []activityRow, entry *tokenstorev1.AuditEntry, undone map[string]bool) []activityRow {
	if id := undoneBy(entry); id != "" {
		undone[id] = true
	}
	count, _ := strconv.ParseUint(entry.GetDetails()["count"], 10, 64) // where there is none, 0
	if len(rows) > 0 {
		last := rows[len(rows)-1].Action
		if last != nil && entry.GetRequestId() != "" && last.GetRequestId() == entry.GetRequestId() && last.GetAction() == entry.GetAction() {
			last.Entries++
			last.Count += count
			return rows
		}
	}
	return append(rows, activityRow{Action: &action{AuditEntry: entry, Entries: 1, Count: count, Undone: undone[entry.GetRequestId()]}})
}

// deletes are the actions whose undo brings tokens and client keys back.
var deletes = []string{"token deleted", "tokens deleted", "key deleted"}

// CanUndo tells whether the page offers it.
func (a action) CanUndo(now time.Time) bool {
	late := slices.Contains(deletes, a.GetAction()) && now.Sub(a.GetAt().AsTime()) >= changeset.Restorable
	return a.GetUndoable() && !a.Undone && !late
}

// Gone tells whether the token or client key that it is about was deleted by it.
func (a action) Gone() bool { return slices.Contains(deletes, a.GetAction()) }

// Change is the address of what it changed; empty where that is not kept.
func (a action) Change() string {
	if !a.GetUndoable() {
		return ""
	}
	return "/admin/activity/" + url.PathEscape(a.GetRequestId())
}

// TokenID is that of the token it was done to; empty where it was none, or many.
func (a action) TokenID() string { return a.GetDetails()["token_id"] }

// KeyID is TokenID for a client key.
func (a action) KeyID() string { return a.GetDetails()["key_id"] }

// Name is what people call the token or the key.
func (a action) Name() string {
	for _, name := range []string{"name", "token_id", "key_id"} {
		if text := a.GetDetails()[name]; text != "" {
			return text
		}
	}
	return ""
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

// Settings are the names of the settings or of the fields that were changed.
func (d detail) Settings() []string { return strings.Split(d.Value, ", ") }

// Facts are the other details, by name.
func (a action) Facts() []detail {
	var facts []detail
	for _, name := range slices.Sorted(maps.Keys(a.GetDetails())) {
		about := a.TokenID() != "" || a.KeyID() != ""
		if slices.Contains([]string{"token_id", "key_id", "count"}, name) || name == "name" && about {
			continue
		}
		facts = append(facts, detail{name, a.GetDetails()[name]})
	}
	return facts
}
