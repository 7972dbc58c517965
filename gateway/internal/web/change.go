package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/changeset"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var changePage = view{"change", "activity", (*Site).loadChange}

// changesShown bounds the rows of the page.
const changesShown = 500

type changeData struct {
	// Action is what the log says of the request; nil where it is not known.
	Action  *action
	Request string
	At      *timestamppb.Timestamp
	Changes []change
	// More is how many changes are not shown.
	More int
}

// change is one of them, as the page shows it.
type change struct{ changeset.Change }

// Was is the value before, where that is known.
func (c change) Was() string { return *cmp.Or(c.Before, new(string)) }

// Is is the value after, where that is known.
func (c change) Is() string { return *cmp.Or(c.After, new(string)) }

// Choices is the family of the texts for its values; empty where they speak for themselves.
func (c change) Choices() string {
	switch {
	case c.Kind == "setting":
		return "choice." + c.ID
	case c.Kind == "page":
		return "kind"
	case c.Field == "state":
		return "key_state"
	}
	return ""
}

// Link is the address of the page about it; empty where there is none, or it is deleted.
func (c change) Link() string {
	switch {
	case c.Kind == "setting":
		return "/admin/settings#setting-" + c.ID
	case c.Deed == "deleted":
		return ""
	case c.Kind == "token" || c.Kind == "key":
		return "/admin/" + c.Kind + "s/" + c.ID
	}
	return ""
}

func (s *Site) loadChange(ctx context.Context, c *gin.Context) (any, error) {
	id := c.Param("id")
	kept, err := s.Audit.GetUndo(ctx, &tokenstorev1.GetUndoRequest{RequestId: id})
	if err != nil {
		return nil, err
	}
	if len(kept.GetUndo()) == 0 {
		return nil, notFound("%s", s.texts(c.Request)["change.gone"])
	}
	data := changeData{Request: id, At: kept.GetAt(), Action: s.actionAt(ctx, id, kept.GetAt())}
	all := changeset.Of(kept.GetUndo())
	data.More = max(len(all)-changesShown, 0)
	for _, each := range all[:len(all)-data.More] {
		data.Changes = append(data.Changes, change{each})
	}
	return data, nil
}

// nearby is how far from what undoes an action its entry in the log may be, in time.
const nearby = 5 * time.Second

// actionAt finds an action in the log, and whether it was undone; nil where it is not there. The
// page does without.
func (s *Site) actionAt(ctx context.Context, id string, at *timestamppb.Timestamp) *action {
	if at == nil {
		return nil
	}
	wanted := &tokenstorev1.ListActivityRequest{
		Source: tokenstorev1.ActivitySource_ACTIVITY_SOURCE_PEOPLE, Account: id, Limit: activitiesPerPage,
		From: timestamppb.New(at.AsTime().Add(-nearby)), To: timestamppb.New(at.AsTime().Add(nearby)),
	}
	page, err := s.Audit.ListActivity(ctx, wanted)
	if err != nil {
		return nil
	}
	rows := rowsOfActivity(page.GetActivities(), true)
	found := slices.IndexFunc(rows, func(row activityRow) bool { return row.Action != nil && row.Action.GetRequestId() == id })
	if found < 0 {
		return nil
	}
	wanted.From, wanted.To = at, nil
	if page, err = s.Audit.ListActivity(ctx, wanted); err == nil {
		rows[found].Action.Undone = rows[found].Action.Undone || undoneIn(page.GetActivities(), id)
	}
	return rows[found].Action
}

// undoneIn tells whether one of the activities has undone a request as a whole.
func undoneIn(activities []*tokenstorev1.Activity, id string) bool {
	return slices.ContainsFunc(activities, func(each *tokenstorev1.Activity) bool {
		return undoneBy(each.GetEntry()) == id
	})
}
