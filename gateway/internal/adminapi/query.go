package adminapi

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/jsonapi"
)

// query reads the parameters of a URL and remembers the first that is wrong.
type query struct {
	c   *gin.Context
	err error
}

// queryOf refuses parameters that the route does not have: a misspelt filter
// would filter nothing.
func queryOf(c *gin.Context, names ...string) *query {
	q := &query{c: c}
	for name := range c.Request.URL.Query() {
		if len(names) == 0 {
			q.err = jsonapi.Invalid(name, "there is no such parameter here; there is none")
		} else if !slices.Contains(names, name) {
			q.err = jsonapi.Invalid(name, "there is no such parameter here; there is %s", strings.Join(names, ", "))
		}
	}
	return q
}

func (q *query) fail(err error) {
	if q.err == nil {
		q.err = err
	}
}

func (q *query) text(name string) string { return q.c.Query(name) }

// limit is the size of a page; 0 lets the tokenstore choose.
func (q *query) limit() uint32 {
	const most = 1000
	text := q.c.Query("limit")
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n < 1 || n > most {
		q.fail(jsonapi.Invalid("limit", "1 to %d wanted, not %q", most, text))
	}
	return uint32(n)
}

func (q *query) flag(name string) *bool {
	text := q.c.Query(name)
	if text == "" {
		return nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		q.fail(jsonapi.Invalid(name, "true or false wanted, not %q", text))
	}
	return &value
}

// duration reads one such as 90s, 5m or 24h.
func (q *query) duration(name string, absent time.Duration) time.Duration {
	text := q.c.Query(name)
	if text == "" {
		return absent
	}
	value, err := time.ParseDuration(text)
	if err != nil {
		q.fail(jsonapi.Invalid(name, "a length of time such as 5m or 24h wanted, not %q", text))
		return absent
	}
	return value
}

func (q *query) time(name string) *timestamppb.Timestamp {
	text := q.c.Query(name)
	if text == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		q.fail(jsonapi.Invalid(name, "a time such as 2026-01-31T12:00:00Z wanted, not %q", text))
		return nil
	}
	return timestamppb.New(at)
}

// choice answers what stands for the parameter's value.
func choice[T any](q *query, name string, values map[string]T) T {
	var none T
	text := q.c.Query(name)
	if text == "" {
		return none
	}
	value, known := values[text]
	if !known {
		q.fail(jsonapi.Invalid(name, "%s wanted, not %q", oneOf(values), text))
	}
	return value
}

// oneOf lists the keys of a table, for an error.
func oneOf[T any](values map[string]T) string {
	var names []string
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
