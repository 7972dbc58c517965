package web

import (
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// logFilter says which requests the page shows, as the address has it.
type logFilter struct {
	Model, Status, Alias, Stream, Error, From, To, TokenID, Upstream, KeyID string
	// ErrorKind is the kind of the error, Retried is "true" where only requests with several attempts
	// are wanted, and MinTotal is how long they took at least, such as 10s.
	ErrorKind, Retried, MinTotal string
	// ID is the answer's id or its X-Request-Id.
	ID string
	// Columns are those of the table, as the address names them; empty: as the browser keeps them.
	// They filter nothing.
	Columns string
}

// logField is a part of the filter, by its name in the address.
type logField struct {
	name  string
	value *string
}

// fields are all parts of the filter.
func (f *logFilter) fields() []logField {
	return []logField{
		{"id", &f.ID},
		{"status", &f.Status},
		{"error_kind", &f.ErrorKind},
		{"error", &f.Error},
		{"retried", &f.Retried},
		{"min_total", &f.MinTotal},
		{"model", &f.Model},
		{"upstream", &f.Upstream},
		{"alias", &f.Alias},
		{"token_id", &f.TokenID},
		{"key_id", &f.KeyID},
		{"stream", &f.Stream},
		{"from", &f.From},
		{"to", &f.To},
	}
}

func filterOf(query url.Values) logFilter {
	var f logFilter
	for _, field := range f.fields() {
		*field.value = strings.TrimSpace(query.Get(field.name))
	}
	if text := query.Get(columnsQuery); text != "" {
		f.Columns = logColumns.read(text).String()
	}
	return f
}

// Set tells whether it filters anything.
func (f logFilter) Set() bool { return f != logFilter{Columns: f.Columns} }

// Fields are the parts that are set, by their names in the address.
func (f logFilter) Fields() url.Values {
	values := url.Values{}
	for _, field := range f.fields() {
		if *field.value != "" {
			values.Set(field.name, *field.value)
		}
	}
	return values
}

// address is that of the page with this filter, and with its columns.
func (f logFilter) address() string {
	values := f.Fields()
	if f.Columns != "" {
		values.Set(columnsQuery, f.Columns)
	}
	return (&url.URL{Path: "/admin/logs", RawQuery: values.Encode()}).String()
}

// Chips are the parts of the filter that are set.
func (f logFilter) Chips() []chip {
	var chips []chip
	for _, field := range f.fields() {
		if value := *field.value; value != "" {
			*field.value = ""
			chips = append(chips, chip{field.name, value, f.address()})
			*field.value = value
		}
	}
	return chips
}

// slow is the time from which on the page calls a request slow.
const slow = "10s"

// Views are the filters that people ask for most.
func (f logFilter) Views() []choice {
	var views []choice
	for _, each := range []struct {
		name   string
		filter logFilter
	}{
		{"all", logFilter{}},
		{"failed", logFilter{Status: "failure"}},
		{"retried", logFilter{Retried: "true"}},
		{"slow", logFilter{MinTotal: slow}},
		{"no_token", logFilter{ErrorKind: string(chat.NoTokenAvailable)}},
	} {
		each.filter.Columns = f.Columns
		views = append(views, choice{each.name, each.filter.address(), each.filter == f})
	}
	return views
}

// request asks for what the filter lets through. Its errors are *termError.
func (f logFilter) request() (*tokenstorev1.QueryRequest, error) {
	request := &tokenstorev1.QueryRequest{
		Model: f.Model, Status: f.Status, TokenAlias: f.Alias, Error: f.Error, ErrorKind: f.ErrorKind, Retried: f.Retried == "true",
		TokenId: f.TokenID, Upstream: f.Upstream, KeyId: f.KeyID, OmitPrompts: true,
	}
	if f.ID != "" {
		jsonapi.SelectRequest(request, f.ID)
	}
	if f.Stream != "" {
		stream := f.Stream == "true"
		request.Stream = &stream
	}
	if f.MinTotal != "" {
		total, err := time.ParseDuration(f.MinTotal)
		if err != nil || total < 0 {
			return request, &termError{"form", "min_total=" + f.MinTotal, "min_total=" + slow}
		}
		request.MinTotal = durationpb.New(total)
	}
	var err error
	if request.From, err = moment("from", f.From); err != nil {
		return request, err
	}
	request.To, err = moment("to", f.To)
	return request, err
}

// File is the address of all that the filter lets through as a file, csv or jsonl; empty where it
// makes no sense.
func (f logFilter) File(format string) string {
	request, err := f.request()
	if err != nil {
		return ""
	}
	values := f.Fields()
	values.Set("format", format)
	for name, at := range map[string]*timestamppb.Timestamp{"from": request.GetFrom(), "to": request.GetTo()} {
		if at != nil {
			values.Set(name, at.AsTime().Format(time.RFC3339Nano))
		}
	}
	if request.GetRequestId() != "" {
		values.Del("id")
		values.Set("request_id", request.GetRequestId())
	}
	return "/admin/api/logs?" + values.Encode()
}

// moment reads a time: as the scripts send it, with its zone, or as the browser
// alone does, which is taken for UTC. Its errors are *termError.
func moment(name, text string) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no time is a time to ask for
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			return timestamppb.New(at), nil
		}
	}
	return nil, &termError{"form", name + "=" + text, name + "=2026-01-31T12:00"}
}

// fieldTime is a time of an address as a browser's field has it, in UTC; empty where it is none.
func fieldTime(text string) string {
	at, err := moment("", text)
	if at == nil || err != nil {
		return ""
	}
	return logTime(at.AsTime())
}

// logTime is a time as moment reads it and as a field for one takes it, too, where its step is 1.
func logTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05") }
