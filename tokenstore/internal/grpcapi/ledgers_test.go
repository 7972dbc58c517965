package grpcapi_test

import (
	"context"
	"sync"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/ledger"
	"carousel.internal/tokenstore/internal/redisstore"
)

// ledgers are a store's, of keys that a test has put there.
type ledgers struct {
	*redisstore.Store
	mu   sync.Mutex
	keys map[string]*tokenstorev1.ClientKey
	// postings are how many there were; failing is what those of a key end with.
	postings int
	failing  map[string]error
}

func (l *ledgers) put(key *tokenstorev1.ClientKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[key.GetId()] = key
}

func (l *ledgers) failOf(key string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing[key] = err
}

func (l *ledgers) posted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.postings
}

// ClientKey implements grpcapi.Ledgers.
func (l *ledgers) ClientKey(_ context.Context, id string) (*tokenstorev1.ClientKey, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if key := l.keys[id]; key != nil {
		return proto.CloneOf(key), nil
	}
	return nil, rpcerr.New(tokenstorev1.Reason_REASON_KEY_NOT_FOUND, "there is no such key")
}

// Post implements grpcapi.Ledgers.
func (l *ledgers) Post(ctx context.Context, key *tokenstorev1.ClientKey, posting ledger.Posting) (ledger.Posted, error) {
	l.mu.Lock()
	l.postings++
	failing := l.failing[key.GetId()]
	l.mu.Unlock()
	if failing != nil {
		return ledger.Posted{}, failing
	}
	return l.Store.Post(ctx, key, posting)
}
