package tokens

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"carousel.internal/proto/service/secret"
)

// maxMessage bounds a gRPC message in both directions: an exported pool, or a
// batch of log entries with their prompts.
const maxMessage = 64 << 20

// Dial makes a connection to the tokenstore. It does not wait for it: calls fail
// with STORE_UNAVAILABLE until it is there. The caller closes it.
func Dial(addr string, shared secret.Value) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("dns:///"+addr,
		grpc.WithNoProxy(), // the pair's own network; HTTPS_PROXY is for upstreams
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(bearer{shared}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           grpcbackoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 3 * time.Second,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("tokenstore address %q: %w", addr, err)
	}
	return conn, nil
}

// bearer sends the secret that both services share with each call.
type bearer struct{ shared secret.Value }

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + b.shared.Reveal()}, nil
}

// RequireTransportSecurity is false: the pair's own network carries it. Put a
// TLS proxy in between where that network is not private.
func (b bearer) RequireTransportSecurity() bool { return false }
