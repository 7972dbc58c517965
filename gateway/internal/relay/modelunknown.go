package relay

import (
	"sync"
	"time"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/upstream"
)

const (
	// servedFor is how long an answer shows that the upstream has the model.
	servedFor = 24 * time.Hour
	// maxServed bounds the models that are remembered.
	maxServed = 1000
)

// weigh judges what an upstream says of a model that it does not know. Many say the
// same to a key that may not use the model. So where the model was served lately, the
// first token that is told so lacks the permission; the second one shows that the
// model is gone. Where it was not, it is unknown, and no token is to blame.
func (r *run) weigh(failure *upstream.Failure) *upstream.Failure {
	switch {
	case failure == nil:
		r.relay.served.note(r.target, time.Now())
	case failure.Class != upstream.ModelUnknown:
	default:
		if r.unknowns++; r.unknowns == 1 && r.relay.served.lately(r.target, time.Now()) {
			failure.Class = upstream.ModelNotAllowed
			failure.Rule += ", and others are served it"
		} else {
			r.relay.served.forget(r.target)
		}
	}
	return failure
}

// anotherMayHelp tells whether another token may succeed where one failed. A model
// that the upstream itself lists is asked for with one more.
func (r *run) anotherMayHelp(failure *upstream.Failure) bool {
	if failure.Class == upstream.ModelUnknown {
		return r.target.Listed && r.unknowns == 1
	}
	return failure.Class.Retryable()
}

// served remembers which models upstreams have answered with.
type served struct {
	mu sync.Mutex
	at map[servedModel]time.Time
}

type servedModel struct{ upstream, model string }

func (s *served) note(target catalog.Target, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := servedModel{target.Upstream, target.Model}
	if _, known := s.at[key]; !known && len(s.at) == maxServed {
		for any := range s.at { // whichever: a wrong guess costs one answer
			delete(s.at, any)
			break
		}
	}
	if s.at == nil {
		s.at = map[servedModel]time.Time{}
	}
	s.at[key] = now
}

func (s *served) lately(target catalog.Target, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, known := s.at[servedModel{target.Upstream, target.Model}]
	return known && now.Sub(at) < servedFor
}

func (s *served) forget(target catalog.Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.at, servedModel{target.Upstream, target.Model})
}
