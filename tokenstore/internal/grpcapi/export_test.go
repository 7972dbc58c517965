package grpcapi

import "time"

// SetAge has sessions that begin from now on end with the timer.
func (s *LeaseServer) SetAge(age *time.Timer) {
	s.newAge = func() *time.Timer { return age }
}

// SetPatience sets how long charges of the sessions to come wait for what others have set aside.
func (s *LeaseServer) SetPatience(patience time.Duration) { s.patience = patience }
