// Package wire is what drivers over plain HTTP have in common: connections, the wait for an
// upstream that says nothing, bodies that were packed unasked, bounded reading, settings, and
// what headers ask to wait. It knows no provider.
package wire
