package tokens

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/resolver"
)

const (
	// resolverScheme is that of the tokenstore's addresses within a connection.
	resolverScheme = "tokenstore"
	// refreshEvery is how often a name is looked up while all is well: another tokenstore
	// may have come.
	refreshEvery = 5 * time.Second
	// retryEvery is how long after a look-up the next one may begin, and begins when that
	// failed or its addresses are of no use. It does not grow: gRPC's own resolver is
	// back late after a long outage.
	retryEvery = time.Second
	// lookupTimeout bounds a look-up.
	lookupTimeout = 1500 * time.Millisecond
)

// lookup returns the addresses of a host.
type lookup func(ctx context.Context, host string) ([]string, error)

// resolverBuilder makes the resolver of a connection. It implements resolver.Builder.
type resolverBuilder struct{ lookup lookup }

// Scheme implements resolver.Builder.
func (resolverBuilder) Scheme() string { return resolverScheme }

// Build implements resolver.Builder.
func (b resolverBuilder) Build(target resolver.Target, conn resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	host, port, err := net.SplitHostPort(target.Endpoint())
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	made := &nameResolver{host: host, port: port, lookup: b.lookup, conn: conn, wanted: make(chan struct{}, 1), stop: stop}
	made.running.Go(func() { made.run(ctx) }) // ends with Close
	return made, nil
}

// nameResolver keeps the addresses of one name current.
type nameResolver struct {
	host, port string
	lookup     lookup
	conn       resolver.ClientConn
	// wanted has one value while the connection wants new addresses.
	wanted  chan struct{}
	stop    context.CancelFunc
	running sync.WaitGroup
	// known are the last addresses, sorted. run's own.
	known []string
}

// ResolveNow implements resolver.Resolver.
func (r *nameResolver) ResolveNow(resolver.ResolveNowOptions) {
	select {
	case r.wanted <- struct{}{}:
	default:
	}
}

// Close implements resolver.Resolver.
func (r *nameResolver) Close() {
	r.stop()
	r.running.Wait()
}

func (r *nameResolver) run(ctx context.Context) {
	for {
		earliest := time.After(retryEvery)
		next := refreshEvery
		if !r.resolve(ctx) {
			next = retryEvery
		}
		select {
		case <-ctx.Done():
			return
		case <-earliest:
		}
		refresh := time.NewTimer(next - retryEvery)
		select {
		case <-ctx.Done():
		case <-refresh.C:
		case <-r.wanted:
		}
		refresh.Stop()
	}
}

// resolve looks the name up, and tells the connection what has changed. While a name
// can't be resolved its last addresses hold.
func (r *nameResolver) resolve(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := r.lookup(ctx, r.host)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("no addresses for %s", r.host)
	}
	if err != nil {
		if len(r.known) == 0 {
			r.conn.ReportError(fmt.Errorf("tokenstore: %w", err))
		}
		return false
	}
	slices.Sort(found)
	if found = slices.Compact(found); slices.Equal(found, r.known) {
		return true
	}
	state := resolver.State{}
	for _, address := range found {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: net.JoinHostPort(address, r.port)})
	}
	if err := r.conn.UpdateState(state); err != nil {
		return false // it is said again
	}
	r.known = found
	return true
}
