package grpcapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// healthPrefix begins the methods that are anybody's.
	healthPrefix = "/grpc.health.v1.Health/"
	// maxAnonymous bounds the calls of strangers that are open, in the whole server,
	// and anonymousTimeout how long each may take: their messages may be as large as any,
	// so this is what strangers can have the server hold in memory.
	maxAnonymous     = 4
	anonymousTimeout = 2 * time.Second
	// refusedCalls is the method under which refused calls are counted: anybody can make
	// up names.
	refusedCalls = "refused"
)

var (
	errSecret    = rpcerr.New(tokenstorev1.Reason_REASON_UNAUTHENTICATED, "the tokenstore's shared secret is missing or wrong")
	errAnonymous = status.Error(codes.ResourceExhausted, "too many health checks at a time")
)

// admission judges a call by its caller's certificate and its header, before anything of its
// message is read: who shows neither a certificate nor the secret (metadata `authorization:
// Bearer …`) can't fill memory.
type admission struct {
	access Access
	// accepted are the hashes of the authorizations that are accepted: hashes have one
	// length, so comparing them tells nothing of a secret's.
	accepted [][sha256.Size]byte
	observer Observer
	refusals *refusals
	// anonymous counts the open calls of strangers.
	anonymous atomic.Int32
}

func newAdmission(access Access, observer Observer, refusals *refusals) *admission {
	a := &admission{access: access, observer: observer, refusals: refusals}
	for _, each := range access.Secret.List() {
		a.accepted = append(a.accepted, sha256.Sum256([]byte("Bearer "+each.Reveal())))
	}
	return a
}

// admit implements tap.ServerInHandle. It does not block.
func (a *admission) admit(ctx context.Context, call *tap.Info) (context.Context, error) {
	health := strings.HasPrefix(call.FullMethodName, healthPrefix)
	if certificate := certificateOf(ctx); certificate != nil {
		if health {
			return ctx, nil
		}
		if err := a.access.permit(certificate, call.FullMethodName); err != nil {
			a.observer.Called(refusedCalls, codes.PermissionDenied, 0)
			a.refusals.note("call", slog.Any("error", err))
			return ctx, err
		}
		return ctx, nil
	}
	if a.knows(call.Header) {
		return ctx, nil
	}
	if !health {
		a.observer.Called(refusedCalls, codes.Unauthenticated, 0)
		return ctx, errSecret
	}
	if a.anonymous.Add(1) > maxAnonymous {
		a.anonymous.Add(-1)
		a.observer.Called(refusedCalls, codes.ResourceExhausted, 0)
		return ctx, errAnonymous
	}
	bounded, cancel := context.WithTimeout(ctx, anonymousTimeout)
	context.AfterFunc(bounded, func() { // at the call's end, or before
		cancel()
		a.anonymous.Add(-1)
	})
	return bounded, nil
}

// certificateOf is what the caller has shown, and the handshake has found to be good; nil
// where it was not asked for one.
func certificateOf(ctx context.Context) *x509.Certificate {
	from, _ := peer.FromContext(ctx)
	if from == nil {
		return nil
	}
	info, secured := from.AuthInfo.(credentials.TLSInfo)
	if !secured || len(info.State.VerifiedChains) == 0 {
		return nil
	}
	return info.State.VerifiedChains[0][0]
}

// knows reports whether the header shows one of the secrets, once.
func (a *admission) knows(header metadata.MD) bool {
	shown := header.Get("authorization")
	if len(shown) != 1 {
		return false
	}
	hash := sha256.Sum256([]byte(shown[0]))
	known := 0
	for _, each := range a.accepted { // all of them: the time does not tell which
		known |= subtle.ConstantTimeCompare(hash[:], each[:])
	}
	return known == 1
}
