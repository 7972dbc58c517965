//go:build unix

package app

import "syscall"

// descriptorLimit is how many files this process may have open; false where that is not
// known.
func descriptorLimit() (uint64, bool) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return uint64(limit.Cur), err == nil //nolint:unconvert // on some systems it is an int64
}
