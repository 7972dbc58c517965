package grpcapi

import (
	"slices"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// maxChangedKeys bounds the keys that are named in a message; more of them are all keys.
const maxChangedKeys = 1000

// KeyChanged tells every session that a client key was changed or deleted; an empty id is of
// all keys.
func (s *LeaseServer) KeyChanged(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for each := range s.sessions {
		each.out.keyChanged(id)
	}
}

// KeyWanted tells every session that requests need what others have set aside of a client key.
func (s *LeaseServer) KeyWanted(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for each := range s.sessions {
		each.out.add(func(next *tokenstorev1.SessionResponse) {
			if !slices.Contains(next.GetWantedKeyIds(), id) {
				next.WantedKeyIds = append(next.WantedKeyIds, id)
			}
		})
	}
}

// keyStated tells every session that a statement of a key has been taken in.
func (s *LeaseServer) keyStated(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for each := range s.sessions {
		each.keyStated(id)
	}
}

// keyChanged adds a key that was changed; one that stands for all replaces the others.
func (o *outbox) keyChanged(id string) {
	o.add(func(next *tokenstorev1.SessionResponse) {
		changed := next.GetChangedKeyIds()
		switch {
		case slices.Contains(changed, "") || slices.Contains(changed, id):
		case id == "" || len(changed) >= maxChangedKeys:
			next.ChangedKeyIds = []string{""}
		default:
			next.ChangedKeyIds = append(changed, id)
		}
	})
}
