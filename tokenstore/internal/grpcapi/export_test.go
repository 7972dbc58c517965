package grpcapi

import (
	"slices"
	"time"
)

// SetAge has sessions that begin from now on end with the timer.
func (s *LeaseServer) SetAge(age *time.Timer) {
	s.newAge = func() *time.Timer { return age }
}

// SetPatience sets how long charges of the sessions to come wait for what others have set aside.
func (s *LeaseServer) SetPatience(patience time.Duration) { s.patience = patience }

// SetWatch sets how often watches of the configuration look unasked, and how long a look may take.
func (s *ConfigServer) SetWatch(poll, patience time.Duration) { s.poll, s.patience = poll, patience }

// Rights are who may call what: gateways, admins, both.
func Rights() map[string][]string {
	named := map[string][]string{}
	for method, roles := range rights {
		named[method] = []string{}
		for role, name := range map[role]string{gateways: "gateways", admins: "admins"} {
			if roles&role != 0 {
				named[method] = append(named[method], name)
			}
		}
		slices.Sort(named[method])
	}
	return named
}
