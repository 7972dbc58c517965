package egress

import (
	"crypto/sha256"
	"net/http"
	"sync"

	"carousel.internal/gateway/internal/upstream/redial"
	"carousel.internal/proto/service/secret"
)

// maxPools bounds the proxies that have connections. Of more, those that were used last have.
const maxPools = 256

// pools are the connections through proxies, by proxy. A URL with another password is another
// proxy: what one user has opened serves no other.
type pools struct {
	template *http.Transport

	mu  sync.Mutex
	all map[[sha256.Size]byte]*pool
	// uses counts calls of of.
	uses uint64
}

// pool has the connections through one proxy.
type pool struct {
	*redial.Transport
	// used is pools.uses of the latest use.
	used uint64
}

func newPools(template *http.Transport) *pools {
	return &pools{template: template, all: map[[sha256.Size]byte]*pool{}}
}

// of finds or makes the connections through a proxy.
func (s *pools) of(named secret.Value) (*redial.Transport, error) {
	key := sha256.Sum256([]byte(named.Reveal()))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uses++
	found := s.all[key]
	if found == nil {
		through, err := parse(named.Reveal())
		if err != nil {
			return nil, &Error{Text: "the URL of the proxy " + err.Error()}
		}
		s.makeRoom()
		found = &pool{Transport: redial.New(through.transport(s.template))}
		s.all[key] = found
	}
	found.used = s.uses
	return found.Transport, nil
}

// makeRoom gives up the connections that were not used for the longest time, where there are
// too many. Requests that are under way over them go on.
func (s *pools) makeRoom() {
	if len(s.all) < maxPools {
		return
	}
	var oldest [sha256.Size]byte
	used := s.uses
	for key, each := range s.all {
		if each.used < used {
			oldest, used = key, each.used
		}
	}
	s.all[oldest].CloseIdleConnections()
	delete(s.all, oldest)
}

func (s *pools) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, each := range s.all {
		each.CloseIdleConnections()
	}
}
