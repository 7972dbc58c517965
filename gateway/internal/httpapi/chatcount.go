package httpapi

import (
	"sync/atomic"
	"time"
)

// ChatCount counts a gateway's chat requests, since its start.
type ChatCount struct {
	total  atomic.Uint64
	active atomic.Int32
}

// begin counts a request; the caller calls end when it has been answered.
func (c *ChatCount) begin() (end func()) {
	c.active.Add(1)
	c.total.Add(1)
	return func() { c.active.Add(-1) }
}

// Now answers how many there have been, and how many are being answered.
func (c *ChatCount) Now() (total uint64, active uint32) {
	return c.total.Load(), uint32(max(c.active.Load(), 0))
}

// FleetChats are the chat requests of all gateways.
type FleetChats struct {
	// StartedAt is when the first gateway started.
	StartedAt time.Time
	// Total has ever been counted; Active are being answered.
	Total, Active uint64
}
