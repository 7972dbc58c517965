package leasing

import "time"

// PoolAway is why a call that is about one pool was not carried out: the server that has it can't
// be reached, while other pools may be on others.
type PoolAway struct {
	Upstream string
	Err      error
}

func (e *PoolAway) Error() string { return "the pool of upstream " + e.Upstream + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *PoolAway) Unwrap() error { return e.Err }

// Deferred says that a call was carried out but for leases of pools that can't be reached. What it
// was to do with these may be repeated.
type Deferred struct {
	Leases []LeaseRef
	// Uses are numbers of a reserve's, where the call was about these.
	Uses      []uint64
	Upstreams []string
	// Err is the first cause.
	Err error
}

func (e *Deferred) Error() string { return "deferred in part: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Deferred) Unwrap() error { return e.Err }

// Add adds leases of a pool.
func (e *Deferred) Add(away *PoolAway, leases ...LeaseRef) {
	if e.Err == nil {
		e.Err = away
	}
	e.Leases, e.Upstreams = append(e.Leases, leases...), append(e.Upstreams, away.Upstream)
}

func (e *Deferred) join(more *Deferred) {
	e.Leases, e.Uses, e.Upstreams = append(e.Leases, more.Leases...), append(e.Uses, more.Uses...), append(e.Upstreams, more.Upstreams...)
}

// OrNil is the error where anything was deferred, else nil.
func (e *Deferred) OrNil() error {
	if e.Err == nil {
		return nil
	}
	return e
}

// AwaitRenewalsOf is AwaitRenewals for the pools of some upstreams.
func (d *Desk) AwaitRenewalsOf(upstreams ...string) {
	if len(upstreams) == 0 {
		return
	}
	until := time.Now().Add(settleFor)
	d.mu.Lock()
	if len(d.settledPools)+len(upstreams) > maxWanted {
		clear(d.settledPools)
	}
	for _, upstream := range upstreams {
		d.settledPools[upstream] = until
	}
	d.mu.Unlock()
	for _, upstream := range upstreams {
		d.Freed(upstream)
	}
}

// settlingPools are the upstreams whose pools were away until a moment ago.
func (d *Desk) settlingPools() []string {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	var settling []string
	for upstream, until := range d.settledPools {
		if now.Before(until) {
			settling = append(settling, upstream)
		} else {
			delete(d.settledPools, upstream)
		}
	}
	return settling
}
