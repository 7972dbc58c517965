package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var (
	putUpstreamScript    = newScript("put_upstream")
	deleteUpstreamScript = newScript("delete_upstream")
	dropPoolScript       = newScript("drop_pool")
)

// Upstreams returns all of them, by name. One whose record somebody else has written, or
// changed, is left out: Inspect tells.
func (s *Store) Upstreams(ctx context.Context) ([]*tokenstorev1.Upstream, error) {
	upstreams, _, err := s.readUpstreams(ctx)
	return upstreams, err
}

// upstream returns the named one; nil where there is none.
func (s *Store) upstream(ctx context.Context, name string) (*tokenstorev1.Upstream, error) {
	upstreams, err := s.Upstreams(ctx)
	if err != nil {
		return nil, err
	}
	for _, upstream := range upstreams {
		if upstream.GetName() == name {
			return upstream, nil
		}
	}
	return nil, nil
}

func (s *Store) drivers(ctx context.Context) (map[string]string, error) {
	upstreams, err := s.Upstreams(ctx)
	if err != nil {
		return nil, err
	}
	drivers := make(map[string]string, len(upstreams))
	for _, upstream := range upstreams {
		drivers[upstream.GetName()] = upstream.GetDriver()
	}
	return drivers, nil
}

// PoolName returns the upstream that is meant: the named one, and where none is
// named the only one, or the one called cursor.
func (s *Store) PoolName(ctx context.Context, named string) (string, error) {
	upstreams, err := s.Upstreams(ctx)
	if err != nil {
		return "", err
	}
	if named == "" && len(upstreams) == 1 {
		return upstreams[0].GetName(), nil
	}
	wanted := named
	if wanted == "" {
		wanted = token.DriverCursor
	}
	for _, upstream := range upstreams {
		if upstream.GetName() == wanted {
			return wanted, nil
		}
	}
	if named == "" {
		return "", rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "upstream: there are %d, say which one", len(upstreams))
	}
	return "", noUpstream(named)
}

// PutUpstream creates or replaces an upstream. expected is the version that it
// must have; 0: any. The driver of an upstream that has tokens can't be changed:
// they are of its kind.
func (s *Store) PutUpstream(ctx context.Context, upstream *tokenstorev1.Upstream, expected uint64) (*tokenstorev1.Upstream, error) {
	old, err := s.upstream(ctx, upstream.GetName())
	if err != nil {
		return nil, err
	}
	upstream = token.CompleteUpstream(upstream, old)
	if err := token.CheckUpstream(upstream); err != nil {
		return nil, invalid(err)
	}
	mode := "any"
	if old != nil && old.GetDriver() != upstream.GetDriver() {
		mode = "empty"
	}
	result, err := s.putUpstream(ctx, upstream, expected, mode)
	if err != nil {
		return nil, err
	}
	switch result[0] {
	case "used":
		return nil, rpcerr.New(tokenstorev1.Reason_REASON_UPSTREAM_IN_USE,
			"upstream %q has tokens of driver %s: delete them before you change its driver", upstream.GetName(), old.GetDriver())
	case "conflict":
		return nil, versionConflict("upstream "+strconv.Quote(upstream.GetName()), expected, result[1])
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	now, err := s.upstream(ctx, upstream.GetName())
	if err == nil && now == nil { // deleted since
		err = noUpstream(upstream.GetName())
	}
	return now, err
}

// SeedUpstream creates the upstream unless there is one of the name; it tells
// whether it did.
func (s *Store) SeedUpstream(ctx context.Context, upstream *tokenstorev1.Upstream) (bool, error) {
	upstream = token.CompleteUpstream(upstream, nil)
	if err := token.CheckUpstream(upstream); err != nil {
		return false, invalid(err)
	}
	result, err := s.putUpstream(ctx, upstream, 0, "new")
	if err != nil || result[0] != "put" {
		return false, err
	}
	return true, s.barrier.Sync(ctx)
}

// ImportUpstream makes an upstream as a file has it, and tells whether that changed
// anything. One that has tokens stays as it is, because they would go to another
// address at a file's word: problem says so then.
func (s *Store) ImportUpstream(ctx context.Context, upstream *tokenstorev1.Upstream) (changed bool, problem string, err error) {
	known, err := s.upstream(ctx, upstream.GetName())
	if err != nil {
		return false, "", err
	}
	upstream = token.CompleteUpstream(upstream, known)
	if err := token.CheckUpstream(upstream); err != nil {
		return false, err.Error(), nil //nolint:nilerr // it is told as the problem
	}
	if known != nil {
		known.Version = 0
		if proto.Equal(known, upstream) {
			return false, "", nil
		}
	}
	result, err := s.putUpstream(ctx, upstream, 0, "empty")
	switch {
	case err != nil:
		return false, "", err
	case result[0] == "used":
		return false, fmt.Sprintf("upstream %q is there with other values and has tokens, so it stays as it is", upstream.GetName()), nil
	}
	return true, "", s.barrier.Sync(ctx)
}

func (s *Store) putUpstream(ctx context.Context, upstream *tokenstorev1.Upstream, expected uint64, mode string) ([]string, error) {
	text, err := s.encodeUpstream(upstream)
	if err != nil {
		return nil, err
	}
	result, err := putUpstreamScript.run(ctx, s.client, []string{upstreamsKey(), upstreamVersionsKey(), sizesKey()},
		upstream.GetName(), text, expected, mode, configChannel).StringSlice()
	return result, storeError("put an upstream", err)
}

// DeleteUpstream removes an upstream that has no tokens. expected is the version
// that it must have; 0: any.
func (s *Store) DeleteUpstream(ctx context.Context, name string, expected uint64) error {
	if token.CheckUpstreamName(name) != nil {
		return noUpstream(name)
	}
	// Claims that were left behind count as tokens.
	if err := s.heal(ctx); err != nil {
		return err
	}
	keys := []string{upstreamsKey(), upstreamVersionsKey(), sizesKey()}
	result, err := deleteUpstreamScript.run(ctx, s.client, keys, name, expected, configChannel).StringSlice()
	if err != nil {
		return storeError("delete an upstream", err)
	}
	switch result[0] {
	case "gone":
		return noUpstream(name)
	case "used":
		return rpcerr.New(tokenstorev1.Reason_REASON_UPSTREAM_IN_USE, "upstream %q has tokens: delete them first", name)
	case "conflict":
		return versionConflict("upstream "+strconv.Quote(name), expected, result[1])
	}
	if err := s.dropPool(ctx, name); err != nil {
		return err
	}
	return s.barrier.Sync(ctx)
}

// dropPool forgets what is left of a pool without tokens. What a crash leaves is used by
// an upstream of the same name, should there be one again.
func (s *Store) dropPool(ctx context.Context, name string) error {
	return storeError("drop a pool", dropPoolScript.run(ctx, s.client, []string{poolIDsKey(name)}).Err())
}
