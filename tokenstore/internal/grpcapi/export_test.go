package grpcapi

import "time"

// SetAge has sessions that begin from now on end after a time.
func (s *LeaseServer) SetAge(age time.Duration) {
	s.newAge = func() *time.Timer { return time.NewTimer(age) }
}
