package grpcapi

import (
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

// orphansFor is how long leases of a lost session are remembered: those of a replica
// that does not come back return at their expiry.
const orphansFor = time.Minute

// orphans are leases of a replica's lost sessions of which it is not known whether
// it ever got them.
type orphans struct {
	refs map[leasing.LeaseRef]struct{}
	at   time.Time
}

// took notes the leases of an answer before it is sent; undo takes that back.
func (s *session) took(answer leasing.Answer) (undo func()) {
	if len(answer.Leases) == 0 {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, lease := range answer.Leases {
		s.granted[lease.LeaseRef] = struct{}{}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, lease := range answer.Leases {
			delete(s.granted, lease.LeaseRef)
		}
	}
}

// heard notes what a message says of leases, once it has been carried out.
func (s *session) heard(request *tokenstorev1.SessionRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, renewal := range request.GetRenewals() {
		s.granted[leasing.LeaseRef{TokenID: renewal.GetTokenId(), LeaseID: renewal.GetLeaseId()}] = struct{}{}
	}
	for _, report := range request.GetReports() {
		delete(s.granted, leasing.LeaseRef{TokenID: report.GetTokenId(), LeaseID: report.GetLeaseId()})
	}
	s.complete = s.complete || request.GetComplete()
}

// claim answers the orphans of the session's replica that it has said nothing of,
// though it has said all: they never reached it.
func (s *LeaseServer) claim(by *session) []leasing.LeaseRef {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.orphans[by.replica]
	if left == nil {
		return nil
	}
	delete(s.orphans, by.replica)
	return by.without(left.refs)
}

// without answers the leases that the session knows nothing of.
func (s *session) without(refs map[leasing.LeaseRef]struct{}) []leasing.LeaseRef {
	s.mu.Lock()
	defer s.mu.Unlock()
	var unknown []leasing.LeaseRef
	for ref := range refs {
		if _, known := s.granted[ref]; !known {
			unknown = append(unknown, ref)
		}
	}
	return unknown
}

// abandon takes in the leases of a session that has ended. It answers those that
// are known to have reached nobody, because the replica has said all in a session
// since; it remembers the others.
func (s *LeaseServer) abandon(ended *session) []leasing.LeaseRef {
	ended.mu.Lock()
	refs, replica := ended.granted, ended.replica
	ended.granted = map[leasing.LeaseRef]struct{}{}
	ended.mu.Unlock()
	if len(refs) == 0 || replica == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for each := range s.sessions {
		if each != ended && each.saidAll(replica) {
			return each.without(refs)
		}
	}
	now := time.Now()
	for name, left := range s.orphans {
		if now.Sub(left.at) > orphansFor {
			delete(s.orphans, name)
		}
	}
	left := s.orphans[replica]
	if left == nil {
		left = &orphans{refs: map[leasing.LeaseRef]struct{}{}}
		s.orphans[replica] = left
	}
	for ref := range refs {
		left.refs[ref] = struct{}{}
	}
	left.at = now
	return nil
}

func (s *session) saidAll(replica string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.complete && s.replica == replica
}
