package app

import (
	"context"
	"log/slog"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/config"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/token"
	"carousel.internal/tokenstore/internal/tokenfile"
)

// theOnly is the upstream of a store without configuration.
var theOnly = config.Upstream{Name: tokenfile.Upstream, Driver: token.DriverCursor, BaseURL: "https://api2.cursor.sh"}

// seeder brings what the configuration names into a store: upstreams and routes that are
// not there, and token files that have changed.
type seeder struct {
	store  *redisstore.Store
	files  *tokenfile.Files
	config Config
	log    *slog.Logger
}

func (s *seeder) seed(ctx context.Context) error {
	for _, upstream := range s.config.Upstreams {
		if err := s.seedUpstream(ctx, upstream); err != nil {
			return err
		}
	}
	upstreams, err := s.store.Upstreams(ctx)
	if err != nil {
		return err
	}
	if len(upstreams) == 0 {
		if err := s.seedUpstream(ctx, theOnly); err != nil {
			return err
		}
	}
	if err := s.seedRoutes(ctx); err != nil {
		return err
	}
	if err := s.store.TrimResponses(ctx); err != nil { // the bounds may be others than before
		return err
	}
	return s.files.Start(ctx)
}

func (s *seeder) seedUpstream(ctx context.Context, upstream config.Upstream) error {
	created, err := s.store.SeedUpstream(ctx, upstream.Message())
	if created {
		s.log.LogAttrs(ctx, slog.LevelInfo, "upstream created", slog.String("upstream", upstream.Name), slog.String("driver", upstream.Driver))
	}
	return err
}

// seedRoutes leaves out a route that the store refuses, since an admin has given what it
// matches to another one: that is no reason not to serve.
func (s *seeder) seedRoutes(ctx context.Context) error {
	for _, each := range s.config.Routes {
		route, err := each.Message()
		if err != nil { // Validate has found none
			return err
		}
		created, err := s.store.SeedRoute(ctx, route)
		switch {
		case rpcerr.Is(err, tokenstorev1.Reason_REASON_ALREADY_EXISTS), rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT):
			s.log.LogAttrs(ctx, slog.LevelWarn, "route of the configuration not created", slog.String("route", each.Name), slog.Any("error", err))
		case err != nil:
			return err
		case created:
			s.log.LogAttrs(ctx, slog.LevelInfo, "route created", slog.String("route", each.Name), slog.String("match", route.GetMatch()))
		}
	}
	return nil
}
