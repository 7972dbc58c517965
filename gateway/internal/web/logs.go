package web

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var (
	logsPage     = view{"logs", "logs", (*Site).loadLogs}
	logEntryPage = view{"entry", "logs", (*Site).loadEntry}
)

// entriesPerPage is how many rows a page of the log has, and mostNew how many a
// poll of the live tail brings at most.
const (
	entriesPerPage = 50
	mostNew        = 200
)

// logFilter is the form above the table, as it was sent.
type logFilter struct {
	Model, Status, Alias, Stream, Error, From, To, TokenID, Upstream, KeyID string
	// ID is the answer's id or its X-Request-Id.
	ID string
}

// Set tells whether it filters anything.
func (f logFilter) Set() bool { return f != logFilter{} }

// More tells whether it filters by what is folded away.
func (f logFilter) More() bool {
	f.Model, f.Status, f.Error, f.ID = "", "", "", ""
	return f.Set()
}

func filterOf(query url.Values) logFilter {
	return logFilter{
		Model: query.Get("model"), Status: query.Get("status"), Alias: query.Get("alias"), Stream: query.Get("stream"),
		Error: query.Get("error"), From: query.Get("from"), To: query.Get("to"), TokenID: query.Get("token_id"),
		Upstream: query.Get("upstream"), KeyID: strings.TrimSpace(query.Get("key_id")), ID: strings.TrimSpace(query.Get("id")),
	}
}

// request asks for what the filter lets through.
func (f logFilter) request() (*tokenstorev1.QueryRequest, error) {
	request := &tokenstorev1.QueryRequest{
		Model: strings.TrimSpace(f.Model), Status: f.Status, TokenAlias: strings.TrimSpace(f.Alias), Error: f.Error,
		TokenId: f.TokenID, Upstream: f.Upstream, KeyId: f.KeyID, OmitPrompts: true,
	}
	if f.ID != "" {
		jsonapi.SelectRequest(request, f.ID)
	}
	if f.Stream != "" {
		stream := f.Stream == "true"
		request.Stream = &stream
	}
	var err error
	if request.From, err = moment("from", f.From); err != nil {
		return request, err
	}
	request.To, err = moment("to", f.To)
	return request, err
}

// moment reads a time: as the scripts send it, with its zone, or as the browser
// alone does, which is taken for UTC.
func moment(name, text string) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no time is a time to ask for
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			return timestamppb.New(at), nil
		}
	}
	return nil, chat.Errorf(chat.InvalidRequest, "%s: a time such as 2026-01-31T12:00 wanted, not %q", name, text)
}

// logTime is a time as moment reads it and as a field for one takes it, too.
func logTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05") }

type logsData struct {
	Filter    logFilter
	Entries   []*tokenstorev1.LogEntry
	Models    []string
	Total     uint64
	Newest    string
	Next      string
	First     string
	Live      bool
	Upstreams []string
}

func (s *Site) loadLogs(ctx context.Context, c *gin.Context) (any, error) {
	filter := filterOf(c.Request.URL.Query())
	data := logsData{Filter: filter, Models: s.modelIDs()}
	request, err := filter.request()
	if err != nil {
		return data, err
	}
	request.Limit, request.Cursor = entriesPerPage, c.Query("cursor")
	answer, err := s.Logs.Query(ctx, request)
	if err != nil {
		return data, err
	}
	data.Entries, data.Total, data.Newest = answer.GetEntries(), answer.GetTotal(), answer.GetNewest()
	data.Next, data.First = turns(c.Request.URL, answer.GetNextCursor())
	data.Live = data.First == "" && filter.To == "" && filter.ID == ""
	return data, nil
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
	request, err := filterOf(c.Request.URL.Query()).request()
	if err != nil {
		s.fail(c, err)
		return
	}
	request.Limit, request.After = mostNew, c.Query("after")
	answer, err := s.Logs.Query(ctx, request)
	if err != nil {
		s.fail(c, err)
		return
	}
	rows, err := s.views.render(languageOf(c.Request), "logs", "rows", answer.GetEntries())
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("X-Log-Newest", answer.GetNewest())
	writeHTML(c, 200, rows)
}

type entryData struct {
	Entry    *tokenstorev1.LogEntry
	Attempts []attempt
	// Missing says what kept the pool's tokens from serving; empty where one could, or
	// the log does not say.
	Missing []missing
	// Again is when it was worth asking again; nil where nobody knew.
	Again    *timestamppb.Timestamp
	Messages []message
}

func (s *Site) loadEntry(ctx context.Context, c *gin.Context) (any, error) {
	query := &tokenstorev1.QueryRequest{Limit: 1}
	jsonapi.SelectRequest(query, c.Param("id"))
	answer, err := s.Logs.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(answer.GetEntries()) == 0 {
		return nil, notFound("%s", s.texts(c.Request)["entry.gone"])
	}
	entry := answer.GetEntries()[0]
	return entryData{
		Entry: entry, Attempts: attemptsOf(entry), Missing: missingOf(entry.GetPool()), Again: againAt(entry),
		Messages: splitPrompt(entry.GetPrompt()),
	}, nil
}

// message is a part of a logged prompt.
type message struct {
	// Role is system, user or assistant; empty for what stands before the first
	// marker.
	Role string
	Text string
}

// splitPrompt cuts a prompt at its `<|BEGIN_ROLE|>` markers and leaves out the
// `<|END_ROLE|>` ones.
func splitPrompt(prompt string) []message {
	const begin, end, mark = "<|BEGIN_", "<|END_", "|>"
	var messages []message
	add := func(role, text string) {
		if at := strings.LastIndex(text, end); at >= 0 && strings.HasSuffix(strings.TrimSpace(text), mark) {
			text = text[:at]
		}
		if text = strings.TrimSpace(text); text != "" || role != "" {
			messages = append(messages, message{role, text})
		}
	}
	role := ""
	for {
		before, rest, found := strings.Cut(prompt, begin)
		name, text, closed := strings.Cut(rest, mark)
		if !found || !closed {
			add(role, prompt)
			return messages
		}
		add(role, before)
		role, prompt = strings.ToLower(name), text
	}
}
