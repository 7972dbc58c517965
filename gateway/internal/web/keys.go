package web

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/keyform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var keysPage = view{"keys", "keys", (*Site).loadKeys}

// keysPerPage is how many rows a page of the table has.
const keysPerPage = 50

// keyStates are those of a client key, as the admin API and the texts name them.
var keyStates = []string{keyform.Active, keyform.Disabled, keyform.Expired, keyform.Deleted}

// keyColours are the states of tokens in whose colours those of keys are shown.
var keyColours = map[string]string{
	keyform.Active: "ready", keyform.Disabled: "disabled", keyform.Expired: "expired", keyform.Deleted: "disabled",
}

// keyRow is a client key as the pages show it.
type keyRow struct {
	*tokenstorev1.ClientKey
	// StateName is one of keyStates.
	StateName string
	// DeletedAt is nil unless it is deleted.
	DeletedAt *timestamppb.Timestamp
	// OldUntil is until when the secret before the present one goes on; nil where none does.
	OldUntil *timestamppb.Timestamp
	Bars     []limitBar
}

func keyRowOf(listed *tokenstorev1.ListedKey, now time.Time) keyRow {
	form := keyform.OfListed(listed, now)
	row := keyRow{ClientKey: listed.GetKey(), StateName: form.State, DeletedAt: listed.GetDeletedAt(), Bars: barsOf(listed)}
	if form.OldSecretUntil != nil {
		row.OldUntil = timestamppb.New(*form.OldSecretUntil)
	}
	return row
}

// Colour is that of its state.
func (k keyRow) Colour() string { return keyColours[k.StateName] }

// Deleted tells whether it can be restored, and nothing else.
func (k keyRow) Deleted() bool { return k.StateName == keyform.Deleted }

type keysData struct {
	Rows   []keyRow
	Total  uint32
	States []string
	// The filters, as they are set.
	Query, Tag, State string
	// Gone is the id of the key that was just deleted, Back of that which was just restored.
	Gone, Back  string
	Next, First string
	// New is the form in the dialog.
	New keyFields
}

// Filtered tells whether a filter is set.
func (d keysData) Filtered() bool { return d.Query+d.Tag+d.State != "" }

func (s *Site) loadKeys(ctx context.Context, c *gin.Context) (any, error) {
	data := keysData{
		States: keyStates, Query: c.Query("q"), Tag: c.Query("tag"), State: c.Query("state"),
		Gone: c.Query("deleted"), Back: c.Query("restored"), New: newKeyFields(),
	}
	answer, err := s.Keys.ListKeys(ctx, &tokenstorev1.ListKeysRequest{
		Query: data.Query, Tag: data.Tag, State: keyform.States[data.State], Limit: keysPerPage, Cursor: c.Query("cursor"),
	})
	if err != nil {
		return data, err
	}
	for _, each := range answer.GetKeys() {
		data.Rows = append(data.Rows, keyRowOf(each, time.Now()))
	}
	data.Total = answer.GetTotal()
	data.Next, data.First = turns(c.Request.URL, answer.GetNextCursor())
	return data, nil
}
