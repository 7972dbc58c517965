package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// auditEntry is something that an admin did.
type auditEntry struct {
	At *time.Time `json:"at"`
	// Action is such as "token deleted".
	Action string `json:"action"`
	// Actor is a program (api) or the pages, and the address.
	Actor        string  `json:"actor"`
	RemoteIP     string  `json:"remote_ip"`
	ForwardedFor *string `json:"forwarded_for"`
	RequestID    *string `json:"request_id"`
	Replica      *string `json:"replica"`
	// Details are what it was done to, such as token_id.
	Details map[string]string `json:"details"`
	// Undoable: what its request did can be undone, by request_id.
	Undoable bool `json:"undoable"`
}

// GET /admin/api/audit
func (a *API) listAudit(c *gin.Context) error {
	q := queryOf(c, "limit", "cursor")
	request := &tokenstorev1.ListAuditRequest{Limit: q.limit(), Cursor: q.text("cursor")}
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	page, err := a.Audit.ListAudit(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	entries := make([]auditEntry, 0, len(page.GetEntries()))
	for _, each := range page.GetEntries() {
		entries = append(entries, entryOf(each))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Entries []auditEntry `json:"entries"`
		Next    string       `json:"next"`
	}{entries, page.GetNextCursor()})
}

func entryOf(entry *tokenstorev1.AuditEntry) auditEntry {
	details := entry.GetDetails()
	if details == nil {
		details = map[string]string{}
	}
	return auditEntry{
		At: nullable.Time(entry.GetAt()), Action: entry.GetAction(), Actor: entry.GetActor(), RemoteIP: entry.GetRemoteIp(),
		ForwardedFor: nullable.Text(entry.GetForwardedFor()), RequestID: nullable.Text(entry.GetRequestId()),
		Replica: nullable.Text(entry.GetReplica()), Details: details, Undoable: entry.GetUndoable(),
	}
}
