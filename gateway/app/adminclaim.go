package app

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"carousel.internal/gateway/internal/auth"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// adminClaim generates the admin token when there is none: of all replicas that
// try, the store lets one win, and that one shows its token once.
type adminClaim struct {
	client tokenstorev1.ConfigServiceClient
	wanted bool
	show   func(token string)
	log    *slog.Logger
	kick   chan struct{}
	// pending: it is not decided yet whether this gateway shows a token.
	pending atomic.Bool
}

func newAdminClaim(client tokenstorev1.ConfigServiceClient, wanted bool, show func(string), log *slog.Logger) *adminClaim {
	return &adminClaim{client: client, wanted: wanted && show != nil, show: show, log: log, kick: make(chan struct{}, 1)}
}

// seen is told the stored hash; it does not block.
func (a *adminClaim) seen(hash []byte) {
	if len(hash) > 0 || !a.wanted {
		return
	}
	a.pending.Store(true)
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

// Run claims whenever it is needed, until ctx ends.
func (a *adminClaim) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.kick:
		}
		a.claim(ctx)
	}
}

// claim makes one attempt. When it fails, the next configuration brings another.
func (a *adminClaim) claim(ctx context.Context) {
	defer a.pending.Store(false)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	token := auth.Generate()
	answer, err := a.client.ClaimAdminToken(ctx, &tokenstorev1.ClaimAdminTokenRequest{TokenHash: auth.Hash(token)})
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelError, "admin token not claimed", slog.Any("error", err))
		return
	}
	if answer.GetClaimed() {
		a.show(token.Reveal())
	}
}
