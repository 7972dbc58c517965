package app

import (
	"context"
	"log/slog"

	"carousel.internal/tokenstore/internal/config"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/token"
	"carousel.internal/tokenstore/internal/tokenfile"
)

// theOnly is the upstream of a store without configuration.
var theOnly = config.Upstream{Name: tokenfile.Upstream, Driver: token.DriverCursor, BaseURL: "https://api2.cursor.sh"}

// seeder brings what the configuration names into a store: upstreams that are
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
	return s.files.Start(ctx)
}

func (s *seeder) seedUpstream(ctx context.Context, upstream config.Upstream) error {
	created, err := s.store.SeedUpstream(ctx, upstream.Message())
	if created {
		s.log.LogAttrs(ctx, slog.LevelInfo, "upstream created", slog.String("upstream", upstream.Name), slog.String("driver", upstream.Driver))
	}
	return err
}
