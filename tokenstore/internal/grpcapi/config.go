package grpcapi

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/token"
)

const (
	// watchPoll is how often a watch looks without having been told of a change.
	watchPoll = 10 * time.Second
	// snapshotTimeout bounds one look.
	snapshotTimeout = 2 * time.Second
)

// Changes tells all watches that the configuration may have changed.
type Changes struct {
	mu   sync.Mutex
	next chan struct{}
}

// NewChanges makes one.
func NewChanges() *Changes { return &Changes{next: make(chan struct{})} }

// Announce tells of a change. It does not block.
func (c *Changes) Announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.next)
	c.next = make(chan struct{})
}

// wait answers a channel that the next change closes.
func (c *Changes) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next
}

// ConfigServer implements ConfigService.
type ConfigServer struct {
	tokenstorev1.UnsafeConfigServiceServer
	store    *redisstore.Store
	changes  *Changes
	age      Age
	stopping <-chan struct{}
	log      *slog.Logger
	// poll and patience are watchPoll and snapshotTimeout.
	poll, patience time.Duration
}

// NewConfigServer makes the server. Its watches end by their age, and all when stopping is
// closed.
func NewConfigServer(store *redisstore.Store, changes *Changes, age Age, stopping <-chan struct{}, log *slog.Logger) *ConfigServer {
	return &ConfigServer{store: store, changes: changes, age: age, stopping: stopping, log: log, poll: watchPoll, patience: snapshotTimeout}
}

// GetSettings implements ConfigService.
func (s *ConfigServer) GetSettings(ctx context.Context, _ *tokenstorev1.GetSettingsRequest) (*tokenstorev1.GetSettingsResponse, error) {
	return s.store.Configuration(ctx)
}

// UpdateSettings implements ConfigService.
func (s *ConfigServer) UpdateSettings(ctx context.Context, request *tokenstorev1.UpdateSettingsRequest) (*tokenstorev1.UpdateSettingsResponse, error) {
	names := request.GetUpdateMask().GetPaths()
	if request.GetSettings() == nil && len(names) > 0 {
		return nil, invalid(errors.New("settings: missing"))
	}
	now, err := s.store.UpdateSettings(ctx, redisstore.SettingsUpdate{
		Settings: request.GetSettings(), Names: names, Pages: request.GetPages(),
		Expected: request.GetExpectedVersion(), Actor: request.GetActor(),
	})
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.UpdateSettingsResponse{Settings: now.GetSettings(), Pages: now.GetPages(), Changes: now.GetChanges()}, nil
}

// ResetSettings implements ConfigService.
func (s *ConfigServer) ResetSettings(ctx context.Context, request *tokenstorev1.ResetSettingsRequest) (*tokenstorev1.ResetSettingsResponse, error) {
	now, err := s.store.ResetSettings(ctx, redisstore.SettingsReset{
		Names: request.GetResetMask().GetPaths(), Paths: request.GetPagePaths(),
		Expected: request.GetExpectedVersion(), Actor: request.GetActor(),
	})
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.ResetSettingsResponse{Settings: now.GetSettings(), Pages: now.GetPages(), Changes: now.GetChanges()}, nil
}

// RevokeSession implements ConfigService.
func (s *ConfigServer) RevokeSession(ctx context.Context, request *tokenstorev1.RevokeSessionRequest) (*tokenstorev1.RevokeSessionResponse, error) {
	if request.GetExpiresAt() == nil {
		return nil, invalid(errors.New("expires_at: missing"))
	}
	if err := s.store.RevokeSession(ctx, request.GetId(), request.GetExpiresAt().AsTime()); err != nil {
		return nil, err
	}
	return &tokenstorev1.RevokeSessionResponse{}, nil
}

// ListUpstreams implements ConfigService.
func (s *ConfigServer) ListUpstreams(ctx context.Context, _ *tokenstorev1.ListUpstreamsRequest) (*tokenstorev1.ListUpstreamsResponse, error) {
	upstreams, err := s.store.Upstreams(ctx)
	if err != nil {
		return nil, err
	}
	for i, upstream := range upstreams {
		upstreams[i] = token.MaskUpstream(upstream)
	}
	return &tokenstorev1.ListUpstreamsResponse{Upstreams: upstreams}, nil
}

// PutUpstream implements ConfigService.
func (s *ConfigServer) PutUpstream(ctx context.Context, request *tokenstorev1.PutUpstreamRequest) (*tokenstorev1.PutUpstreamResponse, error) {
	if request.GetUpstream() == nil {
		return nil, invalid(errors.New("upstream: missing"))
	}
	upstream, err := s.store.PutUpstream(ctx, request.GetUpstream(), request.GetExpectedVersion())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.PutUpstreamResponse{Upstream: token.MaskUpstream(upstream)}, nil
}

// DeleteUpstream implements ConfigService.
func (s *ConfigServer) DeleteUpstream(ctx context.Context, request *tokenstorev1.DeleteUpstreamRequest) (*tokenstorev1.DeleteUpstreamResponse, error) {
	if err := s.store.DeleteUpstream(ctx, request.GetName(), request.GetExpectedVersion()); err != nil {
		return nil, err
	}
	return &tokenstorev1.DeleteUpstreamResponse{}, nil
}

// ClaimAdminToken implements ConfigService.
func (s *ConfigServer) ClaimAdminToken(ctx context.Context, request *tokenstorev1.ClaimAdminTokenRequest) (*tokenstorev1.ClaimAdminTokenResponse, error) {
	hash, claimed, err := s.store.ClaimAdminToken(ctx, request.GetTokenHash())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.ClaimAdminTokenResponse{TokenHash: hash, Claimed: claimed}, nil
}

// Watch implements ConfigService. A store that is away for a while ends no watch
// that has begun: its replica has a snapshot to go on with.
func (s *ConfigServer) Watch(request *tokenstorev1.WatchRequest, stream grpc.ServerStreamingServer[tokenstorev1.WatchResponse]) error {
	ctx := stream.Context()
	poll := time.NewTicker(s.poll)
	defer poll.Stop()
	age := s.age.timer()
	defer age.Stop()
	var sent *tokenstorev1.WatchResponse
	for {
		changed := s.changes.wait() // before the look: a change during it is another reason to look
		snapshot, err := s.snapshot(ctx)
		switch {
		case err != nil && sent == nil:
			return err
		case err != nil:
			s.log.LogAttrs(ctx, slog.LevelDebug, "watch goes on without the store", slog.String("replica", request.GetReplica()), slog.Any("error", err))
		case !proto.Equal(sent, snapshot):
			if err := stream.Send(snapshot); err != nil {
				return err
			}
			sent = snapshot
		}
		select {
		case <-changed:
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-age.C:
			return nil
		case <-s.stopping:
			return errStopping
		}
	}
}

func (s *ConfigServer) snapshot(ctx context.Context) (*tokenstorev1.WatchResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	return s.store.Snapshot(ctx)
}
