package adminapi_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/logentry"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Whichever of its ids a client has noted finds a request.
func TestOneRequestByEitherID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]*tokenstorev1.QueryRequest{
		"chatcmpl-1":                       {Id: "chatcmpl-1", Limit: 1},
		"0123456789abcdef0123456789abcdef": {RequestId: "0123456789abcdef0123456789abcdef", Limit: 1},
	} {
		s := newStore()
		var asked *tokenstorev1.QueryRequest
		s.log = func(r *tokenstorev1.QueryRequest) *tokenstorev1.QueryResponse {
			asked = r
			return &tokenstorev1.QueryResponse{Entries: []*tokenstorev1.LogEntry{{Id: id}}}
		}
		if w := send(t, s, "GET", "/admin/api/logs/"+id, key, ""); w.Code != 200 || !proto.Equal(asked, want) {
			t.Errorf("%d, asked %v", w.Code, asked)
		}
	}
}

// longLog answers queries of a log with n requests, a page at a time, and never more than 700
// of them: large entries make a page end early.
func longLog(n int, asked *[]*tokenstorev1.QueryRequest) func(*tokenstorev1.QueryRequest) *tokenstorev1.QueryResponse {
	return func(r *tokenstorev1.QueryRequest) *tokenstorev1.QueryResponse {
		*asked = append(*asked, proto.CloneOf(r))
		from, _ := strconv.Atoi(r.GetCursor())
		to := min(from+min(int(r.GetLimit()), 700), n)
		page := &tokenstorev1.QueryResponse{}
		for i := from; i < to; i++ {
			page.Entries = append(page.Entries, &tokenstorev1.LogEntry{Id: fmt.Sprint("r", i), Model: "=1+1", Error: "a, \"b\""})
		}
		if to < n {
			page.NextCursor = strconv.Itoa(to)
		}
		return page
	}
}

// eachLogFile asks for logs of several sizes as files of a format, and checks what the store was
// asked for and what the file is called; check, the requests in it, of which so many are wanted.
func eachLogFile(t *testing.T, format, contentType string, check func(t *testing.T, file *bytes.Buffer, want int)) {
	t.Helper()
	for name, c := range map[string]struct {
		kept  int
		query string
		want  int
	}{
		"none":          {0, "", 0},
		"a page":        {3, "", 3},
		"several pages": {1500, "", 1500},
		"too many":      {20_000, "", 10_000},
		"the newest":    {2000, "&limit=900", 900},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			var asked []*tokenstorev1.QueryRequest
			s.log = longLog(c.kept, &asked)
			w := send(t, s, "GET", "/admin/api/logs?format="+format+"&model=m&prompts=true"+c.query, key, "")
			check(t, w.Body, c.want)
			for _, each := range asked {
				if each.GetModel() != "m" || !each.GetOmitPrompts() || each.GetLimit() > 1000 {
					t.Errorf("asked %v", each)
				}
			}
			if header := w.Header(); header.Get("Content-Type") != contentType || header.Get("Content-Disposition") != `attachment; filename="requests.`+format+`"` {
				t.Error(header)
			}
		})
	}
}

// The file has all requests that are asked for, up to 10,000, in the order of the list, and no
// cell that a spreadsheet takes for a formula.
func TestLogFile(t *testing.T) {
	t.Parallel()
	eachLogFile(t, "csv", "text/csv; charset=utf-8", func(t *testing.T, file *bytes.Buffer, want int) {
		t.Helper()
		rows, err := csv.NewReader(file).ReadAll()
		if err != nil || len(rows) != want+1 {
			t.Fatalf("%d rows, %v", len(rows)-1, err)
		}
		for i, row := range rows[1:] {
			if row[0] != fmt.Sprint("r", i) {
				t.Fatalf("row %d is %q", i, row[0])
			}
		}
		if want > 0 {
			for column, want := range map[string]string{"model": "'=1+1", "error": "a, \"b\"", "started_at": "", "cost_usd": ""} {
				if got := rows[1][slices.Index(rows[0], column)]; got != want {
					t.Errorf("%s: %q, want %q", column, got, want)
				}
			}
		}
	})
}

// The same requests as JSON: each is a line, as the list has it, with its attempts and without its
// prompt or what is hidden of its headers.
func TestLogLines(t *testing.T) {
	t.Parallel()
	eachLogFile(t, "jsonl", "application/jsonl", func(t *testing.T, file *bytes.Buffer, want int) {
		t.Helper()
		lines := json.NewDecoder(file)
		for i := range want {
			var entry logentry.Entry
			if err := lines.Decode(&entry); err != nil || entry.ID != fmt.Sprint("r", i) || *entry.Error != "a, \"b\"" {
				t.Fatalf("line %d: %+v, %v", i, entry, err)
			}
		}
		if lines.More() {
			t.Error("there is more")
		}
	})
	s := newStore()
	s.log = func(*tokenstorev1.QueryRequest) *tokenstorev1.QueryResponse {
		return &tokenstorev1.QueryResponse{Entries: []*tokenstorev1.LogEntry{{
			Id: "r1", MaskedSecret: "sk-a…9Z", ClientHeaders: []*tokenstorev1.LogHeader{{Name: "Authorization", Hidden: true, Value: "Bearer secret"}},
		}}}
	}
	list := object(t, send(t, s, "GET", "/admin/api/logs", key, "").Body.Bytes())["logs"].([]any)
	line := send(t, s, "GET", "/admin/api/logs?format=jsonl", key, "").Body.Bytes()
	if diff := cmp.Diff(list[0], any(object(t, line))); diff != "" || bytes.Contains(line, []byte("Bearer secret")) {
		t.Errorf("%s, %s", line, diff)
	}
}

// A file whose rest the store can't tell is no file: before it has begun there is an error in its
// place, after that its connection is cut.
func TestLogFileThatBreaksOff(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"csv", "jsonl"} {
		for good, cut := range map[int]bool{0: false, 1: true} {
			s := newStore()
			s.err = status.Error(codes.Unavailable, "away")
			var asked []*tokenstorev1.QueryRequest
			all := longLog(3000, &asked)
			s.log = func(r *tokenstorev1.QueryRequest) *tokenstorev1.QueryResponse {
				if len(asked) == good {
					return nil
				}
				return all(r)
			}
			func() {
				defer func() {
					if cause, _ := recover().(error); errors.Is(cause, http.ErrAbortHandler) != cut {
						t.Errorf("%s after %d pages: %v", format, good, cause)
					}
				}()
				if w := send(t, s, "GET", "/admin/api/logs?format="+format, key, ""); w.Code != http.StatusServiceUnavailable || w.Header().Get("Content-Disposition") != "" {
					t.Errorf("%s after %d pages: %d %v", format, good, w.Code, w.Header())
				}
			}()
		}
	}
}
