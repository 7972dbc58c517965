package adminapi

import (
	"bytes"
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/logentry"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A file has mostFileRows entries, the newest, and is read from the store filePage at a time.
const (
	mostFileRows = 10_000
	filePage     = 1000
)

// logFile answers the entries as CSV: all that are asked for, or an error.
func (a *API) logFile(c *gin.Context, request *tokenstorev1.QueryRequest) error {
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	var body bytes.Buffer
	file := logentry.NewFile(&body)
	rows := mostFileRows
	if request.GetLimit() > 0 {
		rows = int(request.GetLimit())
	}
	request.OmitPrompts = true
	for rows > 0 {
		request.Limit = uint32(min(rows, filePage))
		page, err := a.Logs.Query(ctx, request)
		if err != nil {
			return storeerr.Translate(err)
		}
		for _, entry := range page.GetEntries() {
			file.Add(logentry.Of(entry))
		}
		rows -= len(page.GetEntries())
		if request.Cursor = page.GetNextCursor(); request.Cursor == "" || len(page.GetEntries()) == 0 {
			break
		}
	}
	if err := file.Close(); err != nil {
		return err
	}
	c.Header("Content-Disposition", `attachment; filename="requests.csv"`)
	jsonapi.Write(c, http.StatusOK, "text/csv; charset=utf-8", body.Bytes())
	return nil
}
