//go:build !unix

package http1

// isSilent does not know: a connection is used once.
func isSilent(uintptr) bool { return false }
