package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var searchPage = view{"search", "search", (*Site).loadSearch}

const (
	// mostHits bounds what a search finds, and mostOfAKind what it finds of each kind.
	mostHits, mostOfAKind = 20, 5
	// maxSearch is how long what is looked for may be.
	maxSearch = 200
	// searchTimeout is how long each part of a search may take.
	searchTimeout = 3 * time.Second
)

// hit is something that a search has found.
type hit struct {
	// Kind is request, page, setting, model, token, key, upstream or route.
	Kind   string `json:"kind"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	Href   string `json:"href"`
}

type searchData struct {
	Query string
	Hits  []hit
}

// GET /admin/search: `q`.
func (s *Site) loadSearch(ctx context.Context, c *gin.Context) (any, error) {
	data := searchData{Query: strings.TrimSpace(c.Query("q"))}
	var err error
	data.Hits, err = s.search(ctx, s.texts(c.Request), data.Query)
	return data, err
}

// GET /admin/search/hits: the same as JSON, for the palette.
func (s *Site) searchHits(c *gin.Context) {
	if _, ok := s.Gate.Session(c.Request); !ok {
		c.JSON(http.StatusUnauthorized, gin.H{"hits": []hit{}, "problem": s.texts(c.Request)["problem.session"]})
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	texts := s.texts(c.Request)
	hits, err := s.search(ctx, texts, strings.TrimSpace(c.Query("q")))
	type shown struct {
		hit
		KindName string `json:"kind_name"`
	}
	answer := struct {
		Hits []shown `json:"hits"`
		// Problem says what could not be searched; empty: all was.
		Problem string `json:"problem,omitempty"`
	}{Hits: make([]shown, 0, len(hits))}
	for _, each := range hits {
		answer.Hits = append(answer.Hits, shown{each, texts.label("hit", each.Kind)})
	}
	if err != nil {
		answer.Problem = s.sentence(c.Request, err)
		_ = c.Error(err)
	}
	c.JSON(http.StatusOK, answer)
}

// search looks for a text in all that can be found by one: what is named so first. The error is
// why some of it could not be searched.
func (s *Site) search(ctx context.Context, texts texts, query string) ([]hit, error) {
	if len(query) > maxSearch {
		return nil, chat.Errorf(chat.InvalidRequest, "q: at most %d bytes wanted", maxSearch)
	}
	parts := []func(context.Context) ([]hit, error){
		func(ctx context.Context) ([]hit, error) { return s.findRequests(ctx, query) },
		func(context.Context) ([]hit, error) { return findPages(texts, query), nil },
		func(ctx context.Context) ([]hit, error) { return s.findTokens(ctx, query) },
		func(ctx context.Context) ([]hit, error) { return s.findKeys(ctx, query) },
		func(context.Context) ([]hit, error) { return s.findModels(query), nil },
		func(ctx context.Context) ([]hit, error) { return s.findUpstreams(ctx, query) },
		func(ctx context.Context) ([]hit, error) { return s.findRoutes(ctx, query) },
		func(context.Context) ([]hit, error) { return findSettings(texts, query), nil },
	}
	found, failed := make([][]hit, len(parts)), make([]error, len(parts))
	var searching sync.WaitGroup
	for i, part := range parts {
		searching.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, searchTimeout)
			defer cancel()
			found[i], failed[i] = part(ctx)
		})
	}
	searching.Wait()
	var hits []hit
	for _, each := range found {
		hits = append(hits, each...)
	}
	return hits[:min(len(hits), mostHits)], cmp.Or(failed...)
}

// holds tells whether a text has the query within, in any case.
func holds(text, query string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(query))
}

// findPages finds pages by their names; without a query, the navigation's.
func findPages(texts texts, query string) []hit {
	var hits []hit
	add := func(text, place, href string) {
		if title := texts["nav."+text]; holds(title, query) || place != "" && query != "" && holds(place, query) {
			hits = append(hits, hit{"page", title, place, href})
		}
	}
	for _, place := range places {
		name := texts["nav."+place.Name]
		if len(place.Tabs) == 0 {
			add(place.Name, "", place.Href)
		}
		for _, tab := range place.Tabs {
			add(tab.Text, name, tab.Href)
		}
	}
	add("try", "", "/admin/try")
	if query != "" {
		return hits[:min(len(hits), mostOfAKind)]
	}
	return hits
}

// findSettings finds settings by their names, in the reader's language and in the API's.
func findSettings(texts texts, query string) []hit {
	var hits []hit
	for _, group := range groups {
		for _, setting := range group.Settings {
			title := texts["setting."+setting.Name]
			if query != "" && len(hits) < mostOfAKind && (holds(title, query) || holds(setting.Name, query)) {
				hits = append(hits, hit{"setting", title, setting.Name, "/admin/settings#setting-" + setting.Name})
			}
		}
	}
	return hits
}

// findModels finds names that clients can ask for.
func (s *Site) findModels(query string) []hit {
	var hits []hit
	for _, name := range s.modelIDs() {
		if query != "" && len(hits) < mostOfAKind && holds(name, query) {
			hits = append(hits, hit{"model", name, "", "/admin/why?model=" + url.QueryEscape(name)})
		}
	}
	return hits
}

// leastRequestID is the shortest of what is taken for a request's id.
const leastRequestID = 8

// findRequests finds a request by its id, as it is in the log or as its client saw it.
func (s *Site) findRequests(ctx context.Context, query string) ([]hit, error) {
	if len(query) < leastRequestID || strings.ContainsAny(query, " \t") {
		return nil, nil
	}
	request := &tokenstorev1.QueryRequest{Limit: mostOfAKind, OmitPrompts: true}
	jsonapi.SelectRequest(request, query)
	answer, err := s.Logs.Query(ctx, request)
	var hits []hit
	for _, entry := range answer.GetEntries() {
		hits = append(hits, hit{"request", entry.GetId(), entry.GetModel(), "/admin/logs/" + url.PathEscape(entry.GetId())})
	}
	return hits, err
}

// findTokens finds tokens by alias, tag, fingerprint or id.
func (s *Site) findTokens(ctx context.Context, query string) ([]hit, error) {
	if query == "" {
		return nil, nil
	}
	answer, err := s.Tokens.ListTokens(ctx, &tokenstorev1.ListTokensRequest{Query: query, Limit: mostOfAKind, NewestFirst: true, Counted: true})
	var hits []hit
	for _, token := range answer.GetTokens() {
		hits = append(hits, hit{"token", tokenRow{token}.Name(), token.GetUpstream(), "/admin/tokens/" + url.PathEscape(token.GetId())})
	}
	return hits, err
}

// findKeys finds client keys by name or id.
func (s *Site) findKeys(ctx context.Context, query string) ([]hit, error) {
	if query == "" {
		return nil, nil
	}
	answer, err := s.Keys.ListKeys(ctx, &tokenstorev1.ListKeysRequest{Query: query, Limit: mostOfAKind, OmitStanding: true})
	var hits []hit
	for _, each := range answer.GetKeys() {
		hits = append(hits, hit{"key", each.GetKey().GetName(), each.GetKey().GetId(), "/admin/keys/" + url.PathEscape(each.GetKey().GetId())})
	}
	return hits, err
}

func (s *Site) findUpstreams(ctx context.Context, query string) ([]hit, error) {
	if query == "" {
		return nil, nil
	}
	names, err := s.upstreamNames(ctx)
	var hits []hit
	for _, name := range names {
		if len(hits) < mostOfAKind && holds(name, query) {
			hits = append(hits, hit{"upstream", name, "", "/admin/tokens?upstream=" + url.QueryEscape(name)})
		}
	}
	return hits, err
}

func (s *Site) findRoutes(ctx context.Context, query string) ([]hit, error) {
	if query == "" {
		return nil, nil
	}
	answer, err := s.Config.ListRoutes(ctx, &tokenstorev1.ListRoutesRequest{})
	var hits []hit
	for _, route := range answer.GetRoutes() {
		if len(hits) < mostOfAKind && (holds(route.GetName(), query) || holds(routeRow{Route: route}.Match(), query)) {
			hits = append(hits, hit{"route", route.GetName(), routeRow{Route: route}.Match(), "/admin/routes/edit?name=" + url.QueryEscape(route.GetName())})
		}
	}
	return hits, err
}
