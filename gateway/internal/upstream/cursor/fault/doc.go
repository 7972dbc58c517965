// Package fault finds who is at fault when Cursor does not answer as it should: it reads what
// the upstream says in an end frame or in an answer without frames, and has the table that
// judges it. Every protocol of the driver fails through it.
package fault
