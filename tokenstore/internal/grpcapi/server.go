// Package grpcapi serves the contract over gRPC: it reads requests, asks the
// store, and turns errors into statuses. It decides nothing about tokens.
package grpcapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxMessage bounds a request, in bytes: the import of a large token file.
	maxMessage = 128 << 20
	// Bounds of a unary call's time.
	defaultTimeout = 10 * time.Second
	longestTimeout = time.Minute
	// maxStreams bounds the calls that one connection has open, maxHeader the bytes of a
	// call's header, handshakeTimeout how long a connection may take to become one, and
	// maxIdle how long it may be without a call: a gateway always has one.
	maxStreams       = 1000
	maxHeader        = 64 << 10
	handshakeTimeout = 10 * time.Second
	maxIdle          = 2 * time.Minute
)

// What may be on its way to here at a time, in bytes, of a call and of a connection: see the
// gateway's, which are the same.
const (
	callWindow       = 1 << 20
	connectionWindow = 2 << 20
)

var errStopping = rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "the tokenstore is shutting down")

// Observer is told of each call that has ended.
type Observer interface {
	Called(method string, code codes.Code, took time.Duration)
}

// NewServer makes a gRPC server that lets in who has access (see admission), bounds what
// callers may open and how long unary calls take, survives a handler's panic, and turns
// errors into statuses.
func NewServer(access Access, age Age, observer Observer, log *slog.Logger) *grpc.Server {
	g, refused := &guard{observer: observer, log: log}, &refusals{log: log}
	return grpc.NewServer(
		grpc.Creds(credentialsOf(access, refused)), grpc.InTapHandle(newAdmission(access, observer, refused).admit),
		grpc.UnaryInterceptor(g.unary), grpc.StreamInterceptor(g.stream), grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(maxStreams), grpc.MaxHeaderListSize(maxHeader), grpc.ConnectionTimeout(handshakeTimeout),
		grpc.StaticStreamWindowSize(callWindow), grpc.StaticConnWindowSize(connectionWindow),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: 20 * time.Second, Timeout: 10 * time.Second, MaxConnectionIdle: maxIdle,
			MaxConnectionAge: time.Duration(age), MaxConnectionAgeGrace: age.grace(),
		}),
	)
}

type guard struct {
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
	return handle()
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
