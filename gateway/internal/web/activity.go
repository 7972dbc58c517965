package web

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var activityPage = view{"activity", "activity", (*Site).loadActivity}

// activitiesPerPage is how many activities a page has; several may be one row.
const activitiesPerPage = 100

// blaming are the classes of failure for which a token rests.
var blaming = []string{"auth", "quota", "rate_limit", "model_not_allowed"}

// activitySources are whose activity can be shown.
var activitySources = map[string]tokenstorev1.ActivitySource{
	"people":   tokenstorev1.ActivitySource_ACTIVITY_SOURCE_PEOPLE,
	"carousel": tokenstorev1.ActivitySource_ACTIVITY_SOURCE_CAROUSEL,
}

// activityKinds are what can be asked for: kinds of events, then actions.
var activityKinds = []string{
	"cooling", "parked", "recovered", "enabled", "undone", "released",
	"tokens deleted", "tokens disabled", "tokens enabled", "tokens released", "tokens imported", "tokens exported",
	"token created", "token changed", "token deleted", "token restored", "token released", "transitions undone", "change undone",
	"key created", "key changed", "key disabled", "key enabled", "key rotated", "key deleted", "key restored",
	"settings changed", "settings reset", "upstream put", "upstream deleted", "route put", "route deleted",
	"page changed", "page reset", "prices put", "prices imported", "backup made", "backup restored", "login", "logout",
}

// activityFilter is what the page is narrowed to.
type activityFilter struct{ Source, Kind, Actor, Account, Since, Until string }

func activityFilterOf(query url.Values) activityFilter {
	text := func(name string) string { return strings.TrimSpace(query.Get(name)) }
	return activityFilter{text("source"), text("kind"), text("actor"), text("account"), text("since"), text("until")}
}

// Narrow tells whether it filters anything beside the source.
func (f activityFilter) Narrow() bool {
	f.Source = ""
	return f != activityFilter{}
}

// Kinds are what can be chosen.
func (activityFilter) Kinds() []string { return activityKinds }

// Sources are whose activity can be chosen; the first is of both.
func (activityFilter) Sources() []string { return []string{"", "people", "carousel"} }

// From is the address of the page with another source.
func (f activityFilter) From(source string) string {
	query := url.Values{}
	for name, value := range map[string]string{
		"source": source, "kind": f.Kind, "actor": f.Actor, "account": f.Account, "since": f.Since, "until": f.Until,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return (&url.URL{Path: "/admin/activity", RawQuery: query.Encode()}).String()
}

func (f activityFilter) request(cursor string) (*tokenstorev1.ListActivityRequest, error) {
	request := &tokenstorev1.ListActivityRequest{
		Source: activitySources[f.Source], Kind: f.Kind, Actor: f.Actor, Account: f.Account, Limit: activitiesPerPage, Cursor: cursor,
	}
	var err error
	if request.From, err = moment("since", f.Since); err != nil {
		return request, err
	}
	request.To, err = moment("until", f.Until)
	return request, err
}

type activityData struct {
	Filter    activityFilter
	Classes   []string
	Upstreams []string
	// Class, Upstream and From are what a link has filled in of the form that undoes what failures
	// did.
	Class, Upstream, From string
	Rows                  []activityRow
	Next, First           string
	// PeopleOnly: the tokenstore is of before, and tells what admins did alone.
	PeopleOnly bool
}

// activityRow is a change set: what an admin did in one request, or what happened alike to tokens
// at a time.
type activityRow struct {
	Action *action
	Events *events
}

func (s *Site) loadActivity(ctx context.Context, c *gin.Context) (any, error) {
	data := activityData{
		Filter: activityFilterOf(c.Request.URL.Query()), Classes: blaming,
		Class: c.Query("class"), Upstream: c.Query("upstream"), From: c.Query("from"),
	}
	request, err := data.Filter.request(c.Query("cursor"))
	if err != nil {
		return data, err
	}
	page, err := s.Audit.ListActivity(ctx, request)
	if status.Code(err) == codes.Unimplemented {
		data.PeopleOnly, data.Filter = true, activityFilter{}
		page, err = s.actionsAlone(ctx, c.Query("cursor"))
	}
	if err != nil {
		return data, err
	}
	data.Rows = rowsOfActivity(page.GetActivities(), data.Filter.Account == "")
	data.Next, data.First = turns(c.Request.URL, page.GetNextCursor())
	data.Upstreams, err = s.upstreamNames(ctx)
	return data, err
}

// actionsAlone is the activity as a tokenstore of before tells it.
func (s *Site) actionsAlone(ctx context.Context, cursor string) (*tokenstorev1.ListActivityResponse, error) {
	page, err := s.Audit.ListAudit(ctx, &tokenstorev1.ListAuditRequest{Limit: activitiesPerPage, Cursor: cursor})
	activities := &tokenstorev1.ListActivityResponse{NextCursor: page.GetNextCursor()}
	for _, entry := range page.GetEntries() {
		activities.Activities = append(activities.Activities, &tokenstorev1.Activity{What: &tokenstorev1.Activity_Entry{Entry: entry}})
	}
	return activities, err
}

// rowsOfActivity makes one row of what belongs together, and marks those rows that a later one has
// undone. Where what admins did is shown as such, what it did to tokens is no row again.
func rowsOfActivity(activities []*tokenstorev1.Activity, actionsTell bool) []activityRow {
	var rows []activityRow
	undone := map[string]bool{}
	over := map[string]bool{}
	for _, each := range activities { // newest first
		event := each.GetEvent()
		if event == nil {
			rows = withEntry(rows, each.GetEntry(), undone)
			continue
		}
		ended := over[event.GetTokenId()]
		if slices.Contains([]string{"undone", "released", "recovered"}, event.GetTransition().GetKind()) {
			over[event.GetTokenId()] = true
		}
		if actionsTell && event.GetTransition().GetBy() == "admin" {
			continue
		}
		rows = withEvent(rows, event, ended)
	}
	return rows
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

func withEntry(rows []activityRow, entry *tokenstorev1.AuditEntry, undone map[string]bool) []activityRow {
	if entry.GetAction() == "change undone" && entry.GetDetails()["failed"] == "0" {
		undone[entry.GetDetails()["change"]] = true
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

// restorable is how long a deleted token or client key can be brought back.
const restorable = 24 * time.Hour

// deletes are the actions whose undo brings tokens and client keys back.
var deletes = []string{"token deleted", "tokens deleted", "key deleted"}

// CanUndo tells whether the page offers it.
func (a action) CanUndo(now time.Time) bool {
	late := slices.Contains(deletes, a.GetAction()) && now.Sub(a.GetAt().AsTime()) >= restorable
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

// events are what happened alike to tokens of one pool, within together.
type events struct {
	// Newest is the one that happened last, Oldest the first.
	Newest, Oldest *tokenstorev1.TokenEvent
	// Tokens are those that it happened to, each once.
	Tokens []*tokenstorev1.TokenEvent
	// ended counts those to which something happened later that ends it.
	ended int
}

// together is how far apart events of one row are at most, and eventTokens how many tokens of a
// row are not folded away.
const (
	together    = time.Minute
	eventTokens = 5
)

func withEvent(rows []activityRow, event *tokenstorev1.TokenEvent, ended bool) []activityRow {
	at := 0
	if ended {
		at = 1
	}
	if len(rows) > 0 && rows[len(rows)-1].Events.takes(event) {
		row := rows[len(rows)-1].Events
		row.Oldest = event
		known := slices.ContainsFunc(row.Tokens, func(other *tokenstorev1.TokenEvent) bool { return other.GetTokenId() == event.GetTokenId() })
		if !known {
			row.Tokens = append(row.Tokens, event)
			row.ended += at
		}
		return rows
	}
	return append(rows, activityRow{Events: &events{Newest: event, Oldest: event, Tokens: []*tokenstorev1.TokenEvent{event}, ended: at}})
}

// takes tells whether an event that is older belongs to the row. A nil row takes none.
func (e *events) takes(event *tokenstorev1.TokenEvent) bool {
	if e == nil {
		return false
	}
	mine, other := e.Newest.GetTransition(), event.GetTransition()
	return e.Newest.GetUpstream() == event.GetUpstream() && mine.GetKind() == other.GetKind() && mine.GetClass() == other.GetClass() &&
		mine.GetModel() == other.GetModel() && mine.GetBy() == other.GetBy() && mine.GetAt().AsTime().Sub(other.GetAt().AsTime()) <= together
}

// Count is how many tokens it happened to.
func (e *events) Count() uint64 { return uint64(len(e.Tokens)) }

// Some are the tokens that are always shown, More the others.
func (e *events) Some() []*tokenstorev1.TokenEvent { return e.Tokens[:min(len(e.Tokens), eventTokens)] }

// More are the tokens that are folded away.
func (e *events) More() []*tokenstorev1.TokenEvent { return e.Tokens[min(len(e.Tokens), eventTokens):] }

// CanUndo tells whether it was done to tokens by a failure, and still holds for some.
func (e *events) CanUndo(now time.Time) bool {
	transition := e.Newest.GetTransition()
	return slices.Contains([]string{"cooling", "parked"}, transition.GetKind()) && e.ended < len(e.Tokens) &&
		now.Sub(transition.GetAt().AsTime()) < restorable
}

// atOnce is how far a token's own history may be from what its pool was told, in time.
const atOnce = 10 * time.Millisecond

// Since and Until are the time within which it is undone.
func (e *events) Since() string { return exact(e.Oldest.GetTransition().GetAt().AsTime().Add(-atOnce)) }

// Until is the end of that time.
func (e *events) Until() string { return exact(e.Newest.GetTransition().GetAt().AsTime().Add(atOnce)) }

func exact(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
