package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// columnSet are the columns that a table can have beside its first, in their order. A browser keeps
// which of them it shows, by their names with a dot between them.
type columnSet struct {
	cookie string
	names  []string
	// usual are those that are shown unless others are chosen.
	usual []string
}

// columnsQuery is the part of an address that has the columns of its table, as a cookie does.
const columnsQuery = "columns"

// noColumns is what is kept of a table without any.
const noColumns = "none"

var tokenColumns = columnSet{cookie: "carousel_token_columns", usual: []string{
	"state", "expires_at", "in_flight", "requests", "failures", "last_used_at", "created_at",
}, names: []string{
	"state", "left", "share", "expires_at", "in_flight", "requests", "failures", "last_used_at", "created_at", "weight", "kind", "fingerprint", "proxy",
}}

var logColumns = columnSet{cookie: "carousel_request_columns", usual: []string{
	"outcome", "model", "token", "total", "tokens", "cost", "attempts",
}, names: []string{
	"outcome", "model", "token", "total", "tokens", "cost", "attempts", "id", "dialect", "end_reason", "http_status", "replica",
}}

// columns are those of a set that are shown.
type columns struct {
	set   *columnSet
	names []string
}

// Shows tells whether a column is shown.
func (c columns) Shows(name string) bool { return slices.Contains(c.names, name) }

// All are the names of those that can be shown.
func (c columns) All() []string { return c.set.names }

// Usual tells whether none was chosen.
func (c columns) Usual() bool { return slices.Equal(c.names, c.set.usual) }

// Wide tells whether there are more than fit on most screens.
func (c columns) Wide() bool { return len(c.names) > len(c.set.usual) }

// String is what addresses and cookies have.
func (c columns) String() string {
	if len(c.names) == 0 {
		return noColumns
	}
	return strings.Join(c.names, ".")
}

// standard are those that are shown unless others are chosen.
func (s *columnSet) standard() columns { return columns{s, s.usual} }

// of are those that have these names, in their order.
func (s *columnSet) of(names []string) columns {
	shown := columns{set: s}
	for _, name := range s.names {
		if slices.Contains(names, name) {
			shown.names = append(shown.names, name)
		}
	}
	return shown
}

// read are the columns of a text; the usual ones where it is empty.
func (s *columnSet) read(text string) columns {
	if text == "" {
		return s.standard()
	}
	return s.of(strings.Split(text, "."))
}

// kept are the columns that a browser shows.
func (s *columnSet) kept(r *http.Request) columns { return s.read(preferred(r, s.cookie)) }

// choose has the browser keep what the form asks for: `column` names, or `usual`.
func (s *columnSet) choose(c *gin.Context) columns {
	query := c.Request.URL.Query()
	chosen := s.of(query["column"])
	if query.Has("usual") {
		chosen = s.standard()
	}
	value := chosen.String()
	if chosen.Usual() {
		value = ""
	}
	setPreference(c, s.cookie, value)
	return chosen
}

// GET /admin/tokens/columns: the form, and what the address of the list says.
func (s *Site) chooseTokenColumns(c *gin.Context) {
	tokenColumns.choose(c)
	seeOther(c, readTokenTable(c.Request.URL).address())
}

// GET /admin/logs/columns: the same for requests. The address of the list then has the columns, so
// that a link to it shows the same to others.
func (s *Site) chooseLogColumns(c *gin.Context) {
	chosen := logColumns.choose(c)
	filter := filterOf(c.Request.URL.Query())
	filter.Columns = chosen.String()
	seeOther(c, filter.address())
}
