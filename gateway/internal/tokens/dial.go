package tokens

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	"carousel.internal/proto/service/certfile"
	"carousel.internal/proto/service/secret"
)

// maxMessage bounds a gRPC message in both directions: an exported pool, or a
// batch of log entries with their prompts.
const maxMessage = 128 << 20

// What may be on its way to here at a time, in bytes, of a call and of a connection. Sizes that
// are told leave no need for the pings by which gRPC finds out what a line takes: one after most
// messages, which wakes both sides twice more.
const (
	callWindow = 1 << 20
	lineWindow = 2 << 20
)

// Conn is a connection to the tokenstore.
type Conn struct {
	*grpc.ClientConn
	// connect makes a network connection.
	connect func(ctx context.Context, addr string) (net.Conn, error)

	mu sync.Mutex
	// lines are the network connections under it: one for each address of the tokenstore.
	lines map[net.Conn]struct{}
}

// Reset breaks the network connections to an address; calls that are open on them fail
// and the next ones make others. A connection that a dead network has left would come
// back to life only long after the network.
func (c *Conn) Reset(addr net.Addr) {
	c.mu.Lock()
	lines := slices.Collect(maps.Keys(c.lines))
	c.mu.Unlock()
	for _, line := range lines {
		if line.RemoteAddr().String() == addr.String() {
			_ = line.Close()
		}
	}
}

func (c *Conn) dial(ctx context.Context, addr string) (net.Conn, error) {
	raw, err := c.connect(ctx, addr)
	if err != nil {
		return nil, err
	}
	made := &line{Conn: raw, of: c}
	c.mu.Lock()
	c.lines[made] = struct{}{}
	c.mu.Unlock()
	return made, nil
}

// line is a network connection that its Conn knows while it is open.
type line struct {
	net.Conn
	of *Conn
}

func (l *line) Close() error {
	l.of.mu.Lock()
	delete(l.of.lines, l)
	l.of.mu.Unlock()
	return l.Conn.Close()
}

// roundRobin has calls and sessions go to all addresses of the tokenstore's name in turn,
// to those that can be reached.
const roundRobin = `{"loadBalancingConfig": [{"round_robin": {}}]}`

// Dial makes a connection to the tokenstore, or to all of them that have the address's
// name. It does not wait for it: calls fail with STORE_UNAVAILABLE until it is there.
// Without certificates it is plain. The caller closes it.
func Dial(addr string, shared secret.Value, certificates *certfile.Files) (*Conn, error) {
	return dial(addr, shared, certificates, way{
		find: net.DefaultResolver.LookupHost,
		connect: func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
		patience: time.Second,
	})
}

// way is how the addresses of the tokenstore are found, and connected to.
type way struct {
	find    lookup
	connect func(ctx context.Context, addr string) (net.Conn, error)
	// patience is how long it may take until a connection can be used.
	patience time.Duration
}

func dial(addr string, shared secret.Value, certificates *certfile.Files, to way) (*Conn, error) {
	conn := &Conn{connect: to.connect, lines: map[net.Conn]struct{}{}}
	client, err := grpc.NewClient(resolverScheme+":///"+addr,
		grpc.WithResolvers(resolverBuilder{to.find}),
		grpc.WithDefaultServiceConfig(roundRobin), grpc.WithDisableServiceConfig(),
		grpc.WithContextDialer(conn.dial),
		grpc.WithNoProxy(), // the pair's own network; HTTPS_PROXY is for upstreams
		grpc.WithTransportCredentials(credentialsOf(certificates)),
		grpc.WithPerRPCCredentials(bearer{shared.First()}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithStaticStreamWindowSize(callWindow), grpc.WithStaticConnWindowSize(lineWindow),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 3 * time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           grpcbackoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
			MinConnectTimeout: to.patience,
		}),
		grpc.WithIdleTimeout(0), // what is idle would be resolved and connected anew, while a request waits
	)
	if err != nil {
		return nil, fmt.Errorf("tokenstore address %q: %w", addr, err)
	}
	conn.ClientConn = client
	return conn, nil
}

// bearer sends the secret that both services share, the first of several, with each
// call; nothing where there is none.
type bearer struct{ shared secret.Value }

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if b.shared.Empty() {
		return nil, nil //nolint:nilnil // nothing to send
	}
	return map[string]string{"authorization": "Bearer " + b.shared.Reveal()}, nil
}

// RequireTransportSecurity is false: without certificates the pair's own network carries it.
func (b bearer) RequireTransportSecurity() bool { return false }
