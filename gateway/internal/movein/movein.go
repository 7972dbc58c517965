// Package movein moves what other gateways keep into this one: a plan that foreign has made of
// files is held against what is here, and carried out by the calls that admins' own changes take.
// What is here stays as it is; so what is moved in twice is taken once. The way out is here, too:
// the pool in the form of another gateway.
package movein

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/foreign"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Tokens are the tokenstore's calls about many tokens.
type Tokens interface {
	ImportTokens(context.Context, *tokenstorev1.ImportTokensRequest, ...grpc.CallOption) (*tokenstorev1.ImportTokensResponse, error)
	PreviewTokens(context.Context, *tokenstorev1.PreviewTokensRequest, ...grpc.CallOption) (*tokenstorev1.PreviewTokensResponse, error)
	ExportTokens(context.Context, *tokenstorev1.ExportTokensRequest, ...grpc.CallOption) (*tokenstorev1.ExportTokensResponse, error)
}

// Config are its calls about upstreams and routes.
type Config interface {
	ListUpstreams(context.Context, *tokenstorev1.ListUpstreamsRequest, ...grpc.CallOption) (*tokenstorev1.ListUpstreamsResponse, error)
	ListRoutes(context.Context, *tokenstorev1.ListRoutesRequest, ...grpc.CallOption) (*tokenstorev1.ListRoutesResponse, error)
	PutRoute(context.Context, *tokenstorev1.PutRouteRequest, ...grpc.CallOption) (*tokenstorev1.PutRouteResponse, error)
}

// Desk moves files in. It is safe for concurrent use.
type Desk struct {
	tokens Tokens
	config Config
	// validate tells why no driver can be made of an upstream.
	validate func(upstream.Config) error
}

// NewDesk makes one.
func NewDesk(tokens Tokens, config Config, validate func(upstream.Config) error) *Desk {
	return &Desk{tokens, config, validate}
}

// Wanted are files that are to be moved in.
type Wanted struct {
	Files []foreign.File
	// Format is theirs; empty: it is found out.
	Format string
}

// Plan returns what moving the files in would do, and changes nothing. Errors are *chat.Error.
func (d *Desk) Plan(ctx context.Context, wanted Wanted) (Report, error) {
	plan, err := d.plan(ctx, wanted)
	return reportOf(plan, false), err
}

// Apply moves the files in, and returns what it did and how that is undone, as far as it can be:
// nil where nothing can. With an error some of it may have been done.
func (d *Desk) Apply(ctx context.Context, wanted Wanted) (Report, *tokenstorev1.AuditUndo, error) {
	plan, err := d.plan(ctx, wanted)
	if err != nil {
		return Report{}, nil, err
	}
	if err := d.importTokens(ctx, &plan); err != nil {
		return reportOf(plan, false), nil, err
	}
	undo, err := d.putRoutes(ctx, &plan)
	return reportOf(plan, err == nil), undo, err
}

// plan reads the files and holds them against what is here.
func (d *Desk) plan(ctx context.Context, wanted Wanted) (foreign.Plan, error) {
	plan, err := foreign.ReadFiles(wanted.Files, wanted.Format)
	if problem, is := errors.AsType[*foreign.FileError](err); is {
		return plan, &chat.Error{Kind: chat.InvalidRequest, Message: problem.Error()}
	}
	upstreams, err := d.config.ListUpstreams(ctx, &tokenstorev1.ListUpstreamsRequest{})
	if err != nil {
		return plan, storeerr.Translate(err)
	}
	routes, err := d.config.ListRoutes(ctx, &tokenstorev1.ListRoutesRequest{})
	if err != nil {
		return plan, storeerr.Translate(err)
	}
	d.settleUpstreams(&plan, upstreams.GetUpstreams())
	if err := d.settleTokens(ctx, &plan); err != nil {
		return plan, err
	}
	settleRoutes(&plan, routes.GetRoutes())
	return plan, nil
}

// leave turns an item that was to be taken over into one that is not.
func leave(item *foreign.Item, why string) { item.Verdict, item.Note = foreign.Left, why }

// same turns it into one that is here already.
func same(item *foreign.Item, note string) { item.Verdict, item.Note = foreign.Same, note }

// note adds to what is said of an item that is taken over.
func note(item *foreign.Item, more string) {
	item.Verdict = foreign.Changed
	if item.Note != "" {
		more = item.Note + "; " + more
	}
	item.Note = more
}

// moves tells whether an item is taken over.
func moves(item *foreign.Item) bool {
	return item.Verdict == foreign.Taken || item.Verdict == foreign.Changed
}
