package web

import (
	"cmp"
	"context"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/tokenform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var tokensPage = view{"tokens", "tokens", (*Site).loadTokens}

// tokensPerPage is how many rows a page of the table has.
const tokensPerPage = 50

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
func (t tokenRow) Name() string {
	if t.GetAlias() != "" {
		return t.GetAlias()
	}
	return t.GetMaskedSecret()
}

func rowsOf(tokens []*tokenstorev1.Token) []tokenRow {
	rows := make([]tokenRow, 0, len(tokens))
	for _, t := range tokens {
		rows = append(rows, tokenRow{t})
	}
	return rows
}

type tokensData struct {
	Rows      []tokenRow
	Upstreams []string
	// Logins are the upstreams that people can log in to in the browser.
	Logins []string
	States []string
	// The filters, as they are set.
	Query, Upstream, State, Tag string
	// Next is the address of the next page; empty on the last. First is that of
	// the first page; empty on it.
	Next, First string
}

// Filtered tells whether a filter is set.
func (d tokensData) Filtered() bool { return d.Query+d.Upstream+d.State+d.Tag != "" }

func (s *Site) loadTokens(ctx context.Context, c *gin.Context) (any, error) {
	data := tokensData{
		Query: c.Query("q"), Upstream: c.Query("upstream"), State: c.Query("state"), Tag: c.Query("tag"), States: tokenform.StateNames(),
	}
	request := &tokenstorev1.ListTokensRequest{
		Upstream: data.Upstream, Tag: data.Tag, Query: data.Query, Limit: tokensPerPage, Cursor: c.Query("cursor"),
		State:       tokenform.States[data.State],
		NewestFirst: true, // what was just added is in sight
	}
	answer, err := s.Tokens.ListTokens(ctx, request)
	if err != nil {
		return data, err
	}
	data.Rows = rowsOf(answer.GetTokens())
	data.Next, data.First = turns(c.Request.URL, answer.GetNextCursor())
	data.Upstreams, err = s.upstreamNames(ctx)
	data.Logins = filter(data.Upstreams, s.HasLogins)
	return data, err
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
