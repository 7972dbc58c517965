// Package grpcapi serves the contract over gRPC: it reads requests, asks the
// store, and turns errors into statuses. It decides nothing about tokens.
package grpcapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxMessage bounds a request, in bytes: the import of a large token file.
	maxMessage = 32 << 20
	// Bounds of a unary call's time.
	defaultTimeout = 10 * time.Second
	longestTimeout = time.Minute
	// healthPrefix begins the methods that need no secret.
	healthPrefix = "/grpc.health.v1.Health/"
)

var errStopping = rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "the tokenstore is shutting down")

// Observer is told of each call that has ended.
type Observer interface {
	Called(method string, code codes.Code, took time.Duration)
}

// NewServer makes a gRPC server that asks callers for the shared secret
// (metadata `authorization: Bearer …`), bounds the time of unary calls, survives
// a handler's panic, and turns errors into statuses.
func NewServer(shared secret.Value, observer Observer, log *slog.Logger) *grpc.Server {
	g := &guard{secret: sha256.Sum256([]byte("Bearer " + shared.Reveal())), observer: observer, log: log}
	return grpc.NewServer(
		grpc.UnaryInterceptor(g.unary), grpc.StreamInterceptor(g.stream), grpc.MaxRecvMsgSize(maxMessage),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
	)
}

type guard struct {
	// secret is the hash of the authorization that is wanted: hashes have one
	// length, so comparing them tells nothing of the secret's.
	secret   [sha256.Size]byte
	observer Observer
	log      *slog.Logger
}

func (g *guard) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (response any, err error) {
	err = g.call(ctx, info.FullMethod, func() error {
		ctx, cancel := withTimeout(ctx)
		defer cancel()
		response, err = handler(ctx, request)
		return err
	})
	return response, err
}

func (g *guard) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return g.call(stream.Context(), info.FullMethod, func() error { return handler(server, stream) })
}

// call is the one way through which every method goes.
func (g *guard) call(ctx context.Context, method string, handle func() error) (err error) {
	began := time.Now()
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
		}
		err = g.statusOf(ctx, method, err)
		g.observer.Called(method, status.Code(err), time.Since(began))
	}()
	if !g.allowed(ctx, method) {
		return rpcerr.New(tokenstorev1.Reason_REASON_UNAUTHENTICATED, "the tokenstore's shared secret is missing or wrong")
	}
	return handle()
}

func (g *guard) allowed(ctx context.Context, method string) bool {
	if strings.HasPrefix(method, healthPrefix) {
		return true
	}
	shown := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(shown) != 1 {
		return false
	}
	hash := sha256.Sum256([]byte(shown[0]))
	return subtle.ConstantTimeCompare(hash[:], g.secret[:]) == 1
}

func withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := longestTimeout
	if _, bounded := ctx.Deadline(); !bounded {
		timeout = defaultTimeout
	}
	return context.WithTimeout(ctx, timeout)
}

// statusOf is the one place where errors become statuses. Typed ones say
// themselves what the caller may know; of others the caller learns only that
// they happened.
func (g *guard) statusOf(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	var typed *rpcerr.Error
	if errors.As(err, &typed) && typed.Reason != tokenstorev1.Reason_REASON_UNSPECIFIED {
		if typed.Err != nil {
			g.log.LogAttrs(ctx, slog.LevelWarn, "call failed", slog.String("method", method), slog.Any("error", err))
		}
		return typed.GRPCStatus().Err()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(err).Err()
	}
	if fromGRPC, ok := status.FromError(err); ok && typed == nil { // such as a stream that its client left
		return fromGRPC.Err()
	}
	g.log.LogAttrs(ctx, slog.LevelError, "call failed by a fault of the tokenstore", slog.String("method", method), slog.Any("error", err))
	return status.Error(codes.Internal, "internal error of the tokenstore")
}
