package web

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/tokenform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const tokensPath = "/admin/tokens"

// tableSizes are how many rows a page may have; the first is usual.
var tableSizes = []int{50, 200, 500}

// newestFirst is how tokens are sorted unless another order is asked for: what was just added is
// in sight.
const newestFirst = "-created_at"

// maxTablePage bounds the number of a page.
const maxTablePage = 10_000

// tokenTable is a list of tokens as its address says it is.
type tokenTable struct {
	Query, Upstream, State, Tag string
	// Sort is a name of tokenform.SortNames, with a minus before it the other way round.
	Sort       string
	Page, Size int
}

func readTokenTable(here *url.URL) tokenTable {
	query := here.Query()
	table := tokenTable{
		Query: query.Get("q"), Upstream: query.Get("upstream"), State: query.Get("state"), Tag: query.Get("tag"),
		Sort: sortOr(query.Get("sort")), Page: 1, Size: tableSizes[0],
	}
	if page, err := strconv.Atoi(query.Get("page")); err == nil {
		table.Page = min(max(page, 1), maxTablePage)
	}
	if size, err := strconv.Atoi(query.Get("size")); err == nil && slices.Contains(tableSizes, size) {
		table.Size = size
	}
	return table
}

// sortOr is an order, or the usual one where it is none.
func sortOr(order string) string {
	if _, _, known := tokenform.Sort(order); !known {
		return newestFirst
	}
	return order
}

// request asks the tokenstore for what the table shows. One that knows no orders lists the newest
// first.
func (t tokenTable) request() *tokenstorev1.ListTokensRequest {
	order, descending, _ := tokenform.Sort(t.Sort)
	request := &tokenstorev1.ListTokensRequest{
		Upstream: t.Upstream, Tag: t.Tag, Query: t.Query, State: tokenform.States[t.State],
		Limit: uint32(t.Size), Offset: uint32(t.offset()), Counted: true, //nolint:gosec // both have small bounds
		Order: order, Descending: descending, NewestFirst: true,
	}
	if order == tokenstorev1.TokenOrder_TOKEN_ORDER_UNSPECIFIED { // its two directions have a field that is older
		request.NewestFirst, request.Descending = descending, false
	}
	return request
}

func (t tokenTable) offset() int { return (t.Page - 1) * t.Size }

// Filtered tells whether a filter is set.
func (t tokenTable) Filtered() bool { return t.Query+t.Upstream+t.State+t.Tag != "" }

// address is where the table is shown. What is usual is left out of it.
func (t tokenTable) address() string {
	query := url.Values{}
	set := func(name, value, usual string) {
		if value != usual {
			query.Set(name, value)
		}
	}
	set("q", t.Query, "")
	set("upstream", t.Upstream, "")
	set("state", t.State, "")
	set("tag", t.Tag, "")
	set("sort", t.Sort, newestFirst)
	set("size", strconv.Itoa(t.Size), strconv.Itoa(tableSizes[0]))
	set("page", strconv.Itoa(t.Page), "1")
	if len(query) == 0 {
		return tokensPath
	}
	return tokensPath + "?" + query.Encode()
}

func (t tokenTable) page(n int) string {
	t.Page = n
	return t.address()
}

// Filter is what the table shows as the admin API takes it.
func (t tokenTable) Filter() (string, error) {
	text, err := json.Marshal(map[string]string{"q": t.Query, "upstream": t.Upstream, "state": t.State, "tag": t.Tag})
	return string(text), err
}

// choice is one of several tables to go to.
type choice struct {
	Name, Address string
	Current       bool
}

// States are the tables of each state, and of any.
func (t tokenTable) States() []choice {
	choices := make([]choice, 0, 8)
	for _, name := range append([]string{""}, tokenform.StateNames()...) {
		there := t
		there.State, there.Page = name, 1
		choices = append(choices, choice{name, there.address(), name == t.State})
	}
	return choices
}

// Sizes are the tables with more or fewer rows a page.
func (t tokenTable) Sizes() []choice {
	choices := make([]choice, 0, len(tableSizes))
	for _, size := range tableSizes {
		there := t
		there.Size, there.Page = size, 1
		choices = append(choices, choice{strconv.Itoa(size), there.address(), size == t.Size})
	}
	return choices
}

// chip is a part of a filter that is set, and the address of the page without it.
type chip struct{ Name, Value, Without string }

// Instant is the value as a time; nil where it is none.
func (c chip) Instant() *timestamppb.Timestamp {
	if c.Name != "from" && c.Name != "to" {
		return nil
	}
	at, _ := moment(c.Name, c.Value) // one that can't be read is shown as it is
	return at
}

// Chips are the filters that no control shows.
func (t tokenTable) Chips() []chip {
	var chips []chip
	add := func(name, value string, without tokenTable) {
		if value != "" {
			without.Page = 1
			chips = append(chips, chip{name, value, without.address()})
		}
	}
	without := t
	without.Tag = ""
	add("tag", t.Tag, without)
	without = t
	without.Query = ""
	add("q", t.Query, without)
	return chips
}

// OfTag is the address of the table's tokens with a tag.
func (t tokenTable) OfTag(tag string) string {
	t.Tag, t.Page = tag, 1
	return t.address()
}

// Everything is the address of the table without a filter.
func (t tokenTable) Everything() string {
	return tokenTable{Sort: t.Sort, Page: 1, Size: t.Size}.address()
}

// heading is a column that the table can be sorted by.
type heading struct {
	// Name is one of tokenform.SortNames.
	Name    string
	Address string
	// Sorted is ascending, descending, or empty.
	Sorted string
}

// falling are the columns of which the largest are of interest first.
var falling = []string{"created_at", "requests", "failures", "last_used_at"}

// Heading is the column with a name. Its address sorts by it, and turns it around where the table
// is sorted by it already.
func (t tokenTable) Heading(name string) heading {
	h := heading{Name: name}
	there := t
	there.Page = 1
	current, descending := strings.CutPrefix(t.Sort, "-")
	switch {
	case current == name && descending:
		h.Sorted, there.Sort = "descending", name
	case current == name:
		h.Sorted, there.Sort = "ascending", "-"+name
	case slices.Contains(falling, name):
		there.Sort = "-" + name
	default:
		there.Sort = name
	}
	h.Address = there.address()
	return h
}

// poolChoice is the table of an upstream's tokens, or of all of them.
type poolChoice struct {
	choice
	Count uint64
	// Pool is nil where there is no token, and of all of them.
	Pool *pool
}

// poolChoices are the tables of all tokens and of each upstream's.
func (t tokenTable) poolChoices(upstreams []string, pools []pool) []poolChoice {
	there := t
	there.Upstream, there.Page = "", 1
	choices := []poolChoice{{choice: choice{"", there.address(), t.Upstream == ""}}}
	for _, name := range upstreams {
		there.Upstream = name
		one := poolChoice{choice: choice{name, there.address(), t.Upstream == name}}
		for i := range pools {
			if pools[i].GetUpstream() == name {
				one.Pool, one.Count = &pools[i], uint64(pools[i].Total())
			}
		}
		choices[0].Count += one.Count
		choices = append(choices, one)
	}
	return choices
}
