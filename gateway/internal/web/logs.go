package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var logsPage = view{"logs", "logs", (*Site).loadLogs}

// entriesPerPage is how many rows a page of the log has, and mostNew how many a
// poll of the live tail brings at most.
const (
	entriesPerPage = 50
	mostNew        = 200
)

// logTable are requests, and the columns that are shown of them.
type logTable struct {
	Entries []*tokenstorev1.LogEntry
	Columns columns
}

// Slowest is how many milliseconds the slowest of them took, at least 1: the bars of all end there.
func (l logTable) Slowest() int64 {
	slowest := int64(1)
	for _, entry := range l.Entries {
		slowest = max(slowest, milliseconds(entry.GetTotal()))
	}
	return slowest
}

type logsData struct {
	Filter logFilter
	// Query is what the query field has: empty, or terms that can't be used.
	Query string
	logTable
	Models    []string
	Total     uint64
	Newest    string
	Next      string
	First     string
	Live      bool
	Upstreams []string
	// Histogram is nil where there is nothing to show.
	Histogram *histogram
}

// logQuery is the part of the page's address that has terms to be added to the filter.
const logQuery = "q"

// GET /admin/logs: the page; with `q`, the way to the address that has its terms as parts of the
// filter.
func (s *Site) logs() gin.HandlerFunc {
	page := s.page(logsPage)
	return func(c *gin.Context) {
		parts := c.Request.URL.Query()
		filter, err := filterOf(parts).with(parts.Get(logQuery))
		if err != nil || strings.TrimSpace(parts.Get(logQuery)) == "" {
			page(c)
			return
		}
		seeOther(c, filter.address())
	}
}

// aboutTerm is an error that tells the reader of a term, or of a part of the address, which can't be
// used.
func (s *Site) aboutTerm(r *http.Request, err error) error {
	wrong, ok := errors.AsType[*termError](err)
	if !ok {
		return err
	}
	text, err := wrong.text(s.texts(r))
	if err != nil {
		return err
	}
	return chat.Errorf(chat.InvalidRequest, "%s", text)
}

// Terms are those that the query field takes, as they are written.
func (logsData) Terms() []string { return logTermUsages() }

func (s *Site) loadLogs(ctx context.Context, c *gin.Context) (any, error) {
	filter := filterOf(c.Request.URL.Query())
	data := logsData{Filter: filter, Models: s.modelIDs()}
	data.Columns = shownColumns(filter, c.Request)
	if _, err := filter.with(c.Query(logQuery)); err != nil {
		data.Query = c.Query(logQuery)
		return data, s.aboutTerm(c.Request, err)
	}
	request, err := filter.request()
	if err != nil {
		return data, s.aboutTerm(c.Request, err)
	}
	request.Limit, request.Cursor = entriesPerPage, c.Query("cursor")
	answer, err := s.Logs.Query(ctx, request)
	if err != nil {
		return data, err
	}
	data.Entries, data.Total, data.Newest = answer.GetEntries(), answer.GetTotal(), answer.GetNewest()
	data.Next, data.First = turns(c.Request.URL, answer.GetNextCursor())
	data.Live = data.First == "" && filter.To == "" && filter.ID == ""
	if data.First == "" && filter.ID == "" {
		data.Histogram = s.histogram(ctx, filter, request, time.Now())
	}
	return data, nil
}

// shownColumns are those of the address, or else those that the browser keeps.
func shownColumns(filter logFilter, r *http.Request) columns {
	if filter.Columns != "" {
		return logColumns.read(filter.Columns)
	}
	return logColumns.kept(r)
}

// GET /admin/logs/tail: the rows that came after `after`, for the live tail. The
// log's new end is in the header X-Log-Newest.
func (s *Site) tail(c *gin.Context) {
	if _, ok := s.Gate.Session(c.Request); !ok {
		s.fail(c, chat.Errorf(chat.Unauthenticated, "%s", s.texts(c.Request)["problem.session"]))
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	filter := filterOf(c.Request.URL.Query())
	request, err := filter.request()
	if err != nil {
		s.fail(c, s.aboutTerm(c.Request, err))
		return
	}
	request.Limit, request.After = mostNew, c.Query("after")
	answer, err := s.Logs.Query(ctx, request)
	if err != nil {
		s.fail(c, err)
		return
	}
	rows, err := s.views.render(languageOf(c.Request), "logs", "rows", logTable{answer.GetEntries(), shownColumns(filter, c.Request)})
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("X-Log-Newest", answer.GetNewest())
	writeHTML(c, 200, rows)
}
