package movein

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/foreign"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Written is the pool in the form of another gateway.
type Written struct {
	File []byte
	// Count is how many tokens were exported, Left how many of them are not in the file: the format
	// has no place for them, or the store can't read them.
	Count, Left int
}

// Write writes all tokens and routes in a format that foreign.Written lists. Errors are
// *chat.Error.
func (d *Desk) Write(ctx context.Context, format string) (Written, error) {
	export, err := d.tokens.ExportTokens(ctx, &tokenstorev1.ExportTokensRequest{Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON})
	if err != nil {
		return Written{}, storeerr.Translate(err)
	}
	routes, err := d.config.ListRoutes(ctx, &tokenstorev1.ListRoutesRequest{})
	if err != nil {
		return Written{}, storeerr.Translate(err)
	}
	pool, err := poolOf(export.GetContent(), routes.GetRoutes())
	if err != nil {
		return Written{}, err
	}
	file, left, err := foreign.Write(format, pool)
	if problem, is := errors.AsType[*foreign.FileError](err); is {
		return Written{}, &chat.Error{Kind: chat.InvalidRequest, Message: problem.Error()}
	}
	return Written{File: file, Count: int(export.GetCount()), Left: len(left) + len(export.GetUnreadable())}, err
}

// poolOf reads a token file, and makes its upstreams those of the routes.
func poolOf(content string, routes []*tokenstorev1.Route) (foreign.Pool, error) {
	var rows []struct { // upstreams, which have a driver, and tokens
		Upstream string            `json:"upstream"`
		Driver   string            `json:"driver"`
		BaseURL  string            `json:"base_url"`
		Models   []string          `json:"models"`
		Settings map[string]string `json:"settings"`
		Token    string            `json:"token"`
		Alias    string            `json:"alias"`
		Cap      uint32            `json:"cap"`
		Weight   uint32            `json:"weight"`
		Enabled  bool              `json:"enabled"`
		Proxy    string            `json:"proxy"`
	}
	var pool foreign.Pool
	if err := json.Unmarshal([]byte(content), &rows); err != nil {
		return pool, fmt.Errorf("the store's export is no JSON: %w", err)
	}
	upstreams := map[string]*foreign.Upstream{}
	for _, row := range rows {
		if row.Driver != "" {
			upstreams[row.Upstream] = &foreign.Upstream{Name: row.Upstream, Driver: row.Driver, BaseURL: row.BaseURL, Models: row.Models, Proxy: secret.New(row.Settings["proxy"])}
		}
	}
	for _, row := range rows {
		if u := upstreams[row.Upstream]; row.Token != "" && u != nil {
			pool.Tokens = append(pool.Tokens, &foreign.Token{
				Upstream: u, Secret: secret.New(row.Token), Proxy: secret.New(row.Proxy), Alias: row.Alias, Cap: row.Cap, Weight: row.Weight, Disabled: !row.Enabled,
			})
		}
	}
	for _, each := range routes {
		route := &foreign.Route{Name: each.GetName(), Match: each.GetMatch()}
		for _, target := range each.GetTargets() {
			if u := upstreams[target.GetUpstream()]; u != nil { // one may be gone
				route.Targets = append(route.Targets, foreign.Target{Upstream: u, Model: target.GetModel(), Priority: target.GetPriority(), Weight: target.GetWeight()})
			}
		}
		pool.Routes = append(pool.Routes, route)
	}
	return pool, nil
}
