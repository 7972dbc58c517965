package grpcapi

import "time"

// SetAge has sessions that begin from now on end after a time.
func (s *LeaseServer) SetAge(age time.Duration) {
	s.newAge = func() *time.Timer { return time.NewTimer(age) }
}

// SetPatience sets how long charges of the sessions to come wait for what others have set aside.
func (s *LeaseServer) SetPatience(patience time.Duration) { s.patience = patience }
