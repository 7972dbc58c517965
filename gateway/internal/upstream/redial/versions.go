package redial

import "sync"

// maxHosts bounds the hosts that are remembered; an upstream has one, or a few.
const maxHosts = 64

// versions remembers the hosts that, asked over TLS, have chosen HTTP/1.1.
type versions struct {
	mu    sync.RWMutex
	hosts map[string]struct{}
}

func (v *versions) isHTTP1(host string) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, known := v.hosts[host]
	return known
}

func (v *versions) learn(host string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.hosts == nil {
		v.hosts = map[string]struct{}{}
	}
	if len(v.hosts) < maxHosts {
		v.hosts[host] = struct{}{}
	}
}

// forget has the host asked again.
func (v *versions) forget(host string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.hosts, host)
}
