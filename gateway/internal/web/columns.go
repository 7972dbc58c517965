package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// columnsCookie keeps which columns of the tokens' table a browser shows, by their names with a dot
// between them. A table without any has none.
const (
	columnsCookie = "carousel_token_columns"
	noColumns     = "none"
)

// tokenColumns are the columns that the table of tokens can have beside the name, in their order.
var tokenColumns = []string{
	"state", "expires_at", "in_flight", "requests", "failures", "last_used_at", "created_at", "weight", "kind", "fingerprint", "proxy",
}

// usualColumns is how many of them, from the first one, are shown unless others are chosen.
const usualColumns = 7

// columns are those that are shown.
type columns []string

// Shows tells whether a column is shown.
func (c columns) Shows(name string) bool { return slices.Contains(c, name) }

// All are the names of those that can be shown.
func (columns) All() []string { return tokenColumns }

// Usual tells whether none was chosen.
func (c columns) Usual() bool { return slices.Equal(c, tokenColumns[:usualColumns]) }

// Wide tells whether there are more than fit on most screens.
func (c columns) Wide() bool { return len(c) > usualColumns }

// columnsOf are the columns that a browser shows.
func columnsOf(r *http.Request) columns {
	cookie, err := r.Cookie(columnsCookie)
	if err != nil {
		return tokenColumns[:usualColumns]
	}
	return known(strings.Split(cookie.Value, "."))
}

// known are the columns that have these names, in their order.
func known(names []string) columns {
	var shown columns
	for _, name := range tokenColumns {
		if slices.Contains(names, name) {
			shown = append(shown, name)
		}
	}
	return shown
}

// GET /admin/tokens/columns: `column` names, or `usual`, and what the address of the list says. The
// browser remembers them.
func (s *Site) chooseColumns(c *gin.Context) {
	query := c.Request.URL.Query()
	chosen, value := known(query["column"]), ""
	if !query.Has("usual") && !chosen.Usual() {
		if value = strings.Join(chosen, "."); value == "" {
			value = noColumns
		}
	}
	setPreference(c, columnsCookie, value)
	seeOther(c, readTokenTable(c.Request.URL).address())
}
