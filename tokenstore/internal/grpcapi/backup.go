package grpcapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/backup"
	"carousel.internal/tokenstore/internal/redisstore"
)

// backupTimeout bounds a backup and a restore, from the first message to the last.
const backupTimeout = 5 * time.Minute

// BackupServer implements BackupService.
type BackupServer struct {
	tokenstorev1.UnsafeBackupServiceServer
	store *redisstore.Store
	// turn is held by whoever has a whole backup in memory.
	turn chan struct{}
	// changed is told when a restore has changed the pool.
	changed func()
	log     *slog.Logger
}

// NewBackupServer makes the server. changed is called whenever a restore has changed the pool; it
// must not block.
func NewBackupServer(store *redisstore.Store, changed func(), log *slog.Logger) *BackupServer {
	return &BackupServer{store: store, turn: make(chan struct{}, 1), changed: changed, log: log}
}

// Backup implements BackupService.
func (s *BackupServer) Backup(_ *tokenstorev1.BackupRequest, stream grpc.ServerStreamingServer[tokenstorev1.BackupResponse]) error {
	ctx, cancel := context.WithTimeout(stream.Context(), backupTimeout)
	defer cancel()
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	return backup.Write(ctx, s.store, func(records []*tokenstorev1.BackupRecord) error {
		return stream.Send(&tokenstorev1.BackupResponse{Records: records})
	})
}

// begin waits for the turn.
func (s *BackupServer) begin(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *BackupServer) end() { <-s.turn }

// Restore implements BackupService.
func (s *BackupServer) Restore(stream grpc.ClientStreamingServer[tokenstorev1.RestoreRequest, tokenstorev1.RestoreResponse]) error {
	ctx, cancel := context.WithTimeout(stream.Context(), backupTimeout)
	defer cancel()
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	options, contents, err := receive(stream)
	if err != nil {
		return err
	}
	plan, err := backup.NewPlan(ctx, s.store, contents, options.GetRemoveOthers())
	if err != nil {
		return err
	}
	if options.GetApply() {
		if err := s.apply(ctx, plan, options); err != nil {
			return err
		}
	}
	return stream.SendAndClose(&tokenstorev1.RestoreResponse{Plan: plan.View()})
}

// receive reads all messages.
func receive(stream grpc.ClientStreamingServer[tokenstorev1.RestoreRequest, tokenstorev1.RestoreResponse]) (*tokenstorev1.RestoreOptions, *backup.Contents, error) {
	var options *tokenstorev1.RestoreOptions
	contents := &backup.Contents{}
	for {
		request, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && options == nil:
			return nil, nil, invalid(errors.New("options: missing"))
		case errors.Is(err, io.EOF):
			return options, contents, nil
		case err != nil:
			return nil, nil, err
		case (request.GetOptions() == nil) == (options == nil):
			return nil, nil, invalid(errors.New("options: wanted in the first message, and there only"))
		case options == nil:
			options = request.GetOptions()
		}
		if err := contents.Add(request.GetRecords()); err != nil {
			return nil, nil, err
		}
	}
}

func (s *BackupServer) apply(ctx context.Context, plan *backup.Plan, options *tokenstorev1.RestoreOptions) error {
	if !bytes.Equal(plan.Digest(), options.GetPlanDigest()) {
		return rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT,
			"the restore would change other things than was shown: something has changed meanwhile; look at the plan again")
	}
	// From the first change on, all has to be done: also when the caller has hung up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backupTimeout)
	defer cancel()
	defer s.changed() // also after a part
	if err := plan.Restore(ctx, s.store, options.GetActor()); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "backup restored", slog.String("actor", options.GetActor()))
	return nil
}
