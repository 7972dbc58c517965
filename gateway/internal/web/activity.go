package web

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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
	"tokens deleted", "tokens disabled", "tokens enabled", "tokens changed", "tokens released", "tokens imported", "moved in", "tokens exported", "tokens tested",
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
	// UndoFrom is from when on it undoes, at first.
	UndoFrom string
	// Undone is how many transitions were just undone; nil: it was not about that.
	Undone      *uint64
	Rows        []activityRow
	Next, First string
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
	data.UndoFrom = cmp.Or(data.From, logTime(time.Now().Add(-time.Hour)))
	if n, err := strconv.ParseUint(c.Query("undone"), 10, 32); err == nil {
		data.Undone = &n
	}
	request, err := data.Filter.request(c.Query("cursor"))
	if err != nil {
		return data, s.aboutTerm(c.Request, err)
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
