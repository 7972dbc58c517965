package adminapi_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

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

// The file has all requests that are asked for, up to 10,000, in the order of the list, and no
// cell that a spreadsheet takes for a formula.
func TestLogFile(t *testing.T) {
	t.Parallel()
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
			w := send(t, s, "GET", "/admin/api/logs?format=csv&model=m&prompts=true"+c.query, key, "")
			rows, err := csv.NewReader(strings.NewReader(w.Body.String())).ReadAll()
			if err != nil || len(rows) != c.want+1 {
				t.Fatalf("%d rows, %v", len(rows)-1, err)
			}
			for i, row := range rows[1:] {
				if row[0] != fmt.Sprint("r", i) {
					t.Fatalf("row %d is %q", i, row[0])
				}
			}
			if c.want > 0 {
				for column, want := range map[string]string{"model": "'=1+1", "error": "a, \"b\"", "started_at": "", "cost_usd": ""} {
					if got := rows[1][slices.Index(rows[0], column)]; got != want {
						t.Errorf("%s: %q, want %q", column, got, want)
					}
				}
			}
			for _, each := range asked {
				if each.GetModel() != "m" || !each.GetOmitPrompts() || each.GetLimit() > 1000 {
					t.Errorf("asked %v", each)
				}
			}
			if header := w.Header(); header.Get("Content-Type") != "text/csv; charset=utf-8" || header.Get("Content-Disposition") != `attachment; filename="requests.csv"` {
				t.Error(header)
			}
		})
	}
}
