package adminapi

import (
	"io"

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

// logWriter writes entries in the form of a file.
type logWriter interface {
	Add(logentry.Entry)
	// Close writes what is left, and tells what went wrong.
	Close() error
}

// logForm is a form that a file with entries can have.
type logForm struct {
	name, contentType string
	write             func(io.Writer) logWriter
}

var (
	logCSV   = logForm{"requests.csv", "text/csv; charset=utf-8", func(w io.Writer) logWriter { return logentry.NewFile(w) }}
	logLines = logForm{"requests.jsonl", "application/jsonl", func(w io.Writer) logWriter { return logentry.NewLines(w) }}
)

// logFile answers the entries as a file, each page as it is read: all that are asked for, or an error
// in place of the file or of its end.
func (a *API) logFile(c *gin.Context, request *tokenstorev1.QueryRequest, form logForm) error {
	rows := mostFileRows
	if request.GetLimit() > 0 {
		rows = int(request.GetLimit())
	}
	request.OmitPrompts = true
	var file logWriter
	for {
		request.Limit = uint32(min(rows, filePage))
		page, err := a.logPage(c, request)
		switch {
		case err != nil && file != nil:
			return jsonapi.Unfinished(err)
		case err != nil:
			return err
		case file == nil:
			file = form.write(jsonapi.Begin(c, form.name, form.contentType))
		}
		for _, entry := range page.GetEntries() {
			file.Add(logentry.Of(entry))
		}
		rows -= len(page.GetEntries())
		if request.Cursor = page.GetNextCursor(); request.Cursor == "" || len(page.GetEntries()) == 0 || rows <= 0 {
			break
		}
	}
	if err := file.Close(); err != nil {
		return jsonapi.Unfinished(err)
	}
	return nil
}

func (a *API) logPage(c *gin.Context, request *tokenstorev1.QueryRequest) (*tokenstorev1.QueryResponse, error) {
	ctx, cancel := a.Call(c)
	defer cancel()
	page, err := a.Logs.Query(ctx, request)
	if err != nil {
		return nil, storeerr.Translate(err)
	}
	return page, nil
}
