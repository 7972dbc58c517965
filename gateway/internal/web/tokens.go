package web

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/foreign"
	"carousel.internal/gateway/internal/provider"
	"carousel.internal/gateway/internal/tokenform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var tokensPage = view{"tokens", "tokens", (*Site).loadTokens}

// tokenRow is a token as the pages show it.
type tokenRow struct{ *tokenstorev1.Token }

// StateName is one of tokenform.StateNames, or unknown.
func (t tokenRow) StateName() string { return cmp.Or(tokenform.StateName(t.GetState()), "unknown") }

// Switch is what the admin's switch does: enable or disable.
func (t tokenRow) Switch() string {
	if t.GetEnabled() {
		return "disable"
	}
	return "enable"
}

// Rests tells whether it is kept from requests by itself, so that an admin can bring
// it back. One that needs a login is brought back by nothing else.
func (t tokenRow) Rests() bool {
	if t.GetNeedsLogin() {
		return false
	}
	switch t.GetState() {
	case tokenstorev1.TokenState_TOKEN_STATE_COOLING, tokenstorev1.TokenState_TOKEN_STATE_PROBING, tokenstorev1.TokenState_TOKEN_STATE_PARKED:
		return true
	default:
		return false
	}
}

// Kind is what its secret is, as the admin API and the texts name it; empty where that is
// not known.
func (t tokenRow) Kind() string { return tokenform.KindName(t.GetKind()) }

// Renews tells whether it has access tokens that end and are refreshed.
func (t tokenRow) Renews() bool { return t.Kind() == tokenform.UserKey || t.Kind() == tokenform.Login }

// Name is what people call it.
func (t tokenRow) Name() string { return tokenform.Name(t.Token) }

func rowsOf(tokens []*tokenstorev1.Token) []tokenRow {
	rows := make([]tokenRow, 0, len(tokens))
	for _, t := range tokens {
		rows = append(rows, tokenRow{t})
	}
	return rows
}

type tokensData struct {
	Rows []tokenRow
	// Table is what the list is: its filter, order and page.
	Table   tokenTable
	Columns columns
	// Sparks are the requests of the last hours, by the tokens' ids; empty where there are too many
	// tokens for that.
	Sparks map[string]*spark
	// Left is what the accounts of the rows have left, and Shares is what the tokens get of their
	// pools' requests, by the tokens' ids; empty where that is not shown.
	Left   map[string]*accountLeft
	Shares map[string]string
	// Unshared: there are too many tokens for shares.
	Unshared bool
	// Total is how many match; nil where the tokenstore does not count them.
	Total     *uint32
	Pools     []poolChoice
	Upstreams []string
	// Logins are the upstreams that people can log in to in the browser.
	Logins []string
	// Next is the address of the next page where only its cursor is known; First is that of the
	// first page then; empty where there is none.
	Next, First string
}

// HasLogin tells whether the secrets of an upstream are of people who log in to it.
func (d tokensData) HasLogin(upstream string) bool { return slices.Contains(d.Logins, upstream) }

// Presets are the providers that there is no upstream for.
func (d tokensData) Presets() []provider.Provider {
	return slices.DeleteFunc(slices.Clone(provider.Known), func(p provider.Provider) bool { return slices.Contains(d.Upstreams, p.Name) })
}

// Foreign are the forms of other gateways that tokens are exported in.
func (tokensData) Foreign() []foreign.Format {
	return slices.DeleteFunc(slices.Clone(foreign.Formats), func(f foreign.Format) bool { return !slices.Contains(foreign.Written(), f.Name) })
}

// Known tells whether it is known how many match.
func (d tokensData) Known() bool { return d.Total != nil }

// Count is how many match.
func (d tokensData) Count() uint64 { return uint64(*d.Total) }

// From and To are the first and the last that the page shows, of those that match.
func (d tokensData) From() uint64 {
	return min(uint64(d.Table.offset())+1, d.Count()) //nolint:gosec // a page's bound is far below
}

// To is the last.
func (d tokensData) To() uint64 {
	return min(uint64(d.Table.offset()+d.Table.Size), d.Count()) //nolint:gosec // likewise
}

// Earlier is the address of the page before; empty on the first.
func (d tokensData) Earlier() string {
	if !d.Known() || d.Table.Page == 1 {
		return ""
	}
	return d.Table.page(d.Table.Page - 1)
}

// Later is the address of the page behind; empty on the last.
func (d tokensData) Later() string {
	if !d.Known() || d.To() == d.Count() {
		return ""
	}
	return d.Table.page(d.Table.Page + 1)
}

// Wide tells whether the rows say of which upstream they are.
func (d tokensData) Wide() bool { return d.Table.Upstream == "" }

func (s *Site) loadTokens(ctx context.Context, c *gin.Context) (any, error) {
	data := tokensData{Table: readTokenTable(c.Request.URL), Columns: tokenColumns.kept(c.Request)}
	request := data.Table.request()
	if cursor := c.Query("cursor"); cursor != "" { // of a tokenstore that does not know places
		request.Cursor, request.Offset = cursor, 0
	}
	answer, err := s.Tokens.ListTokens(ctx, request)
	if err != nil {
		return data, err
	}
	if last := lastPage(answer, data.Table); last != 0 { // there were more
		data.Table.Page = last
		if answer, err = s.Tokens.ListTokens(ctx, data.Table.request()); err != nil {
			return data, err
		}
	}
	data.Rows, data.Total = rowsOf(answer.GetTokens()), answer.Total
	if data.Total == nil {
		data.Next, data.First = turns(c.Request.URL, answer.GetNextCursor())
	}
	data.Upstreams, err = s.upstreamNames(ctx)
	data.Logins = filter(data.Upstreams, s.HasLogins)
	pools, poolErr := s.pools(ctx)
	data.Pools = data.Table.poolChoices(data.Upstreams, pools)
	if data.Columns.Shows("requests") && poolErr == nil && data.Pools[0].Count <= sharedAmong {
		data.Sparks = s.sparks.read(ctx, s.Usage, time.Now())
	}
	columnErr := s.loadColumns(ctx, c, &data)
	return data, cmp.Or(err, poolErr, columnErr)
}

// loadColumns reads what only some columns show.
func (s *Site) loadColumns(ctx context.Context, c *gin.Context, data *tokensData) error {
	var err, unshared error
	if data.Columns.Shows("left") {
		data.Left, err = s.leftOf(ctx, data.Rows, time.Now())
	}
	if data.Columns.Shows("share") && len(data.Rows) > 0 {
		if data.Unshared = data.ofPools() > sharedAmong; !data.Unshared {
			data.Shares, unshared = s.foretold(ctx, data.Table.Upstream, s.texts(c.Request))
		}
	}
	return cmp.Or(err, unshared)
}

// ofPools is how many tokens the pools have that the list is of, whatever else it is narrowed to.
func (d tokensData) ofPools() uint64 {
	for _, each := range d.Pools {
		if each.Current {
			return each.Count
		}
	}
	return 0
}

// lastPage is the number of the last page where the one that was asked for is behind it; else 0.
func lastPage(answer *tokenstorev1.ListTokensResponse, table tokenTable) int {
	if len(answer.GetTokens()) > 0 || answer.GetTotal() == 0 {
		return 0
	}
	return (int(answer.GetTotal())-1)/table.Size + 1
}

// filter returns the names that are wanted.
func filter(names []string, wanted func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !wanted(name) })
}

// turns answers the addresses of the next page and, from any but it, of the
// first.
func turns(here *url.URL, next string) (nextPage, firstPage string) {
	query := here.Query()
	if query.Has("cursor") {
		query.Del("cursor")
		firstPage = here.Path + "?" + query.Encode()
	}
	if next != "" {
		query.Set("cursor", next)
		nextPage = here.Path + "?" + query.Encode()
	}
	return nextPage, firstPage
}

func (s *Site) upstreamNames(ctx context.Context) ([]string, error) {
	answer, err := s.Config.ListUpstreams(ctx, &tokenstorev1.ListUpstreamsRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, u := range answer.GetUpstreams() {
		names = append(names, u.GetName())
	}
	return names, nil
}
