//go:build unix

package http1

import "syscall"

// isSilent tells whether a socket is open and has nothing to read.
func isSilent(fd uintptr) bool {
	var one [1]byte
	for {
		_, err := syscall.Read(int(fd), one[:])
		if err != syscall.EINTR {
			return err == syscall.EAGAIN
		}
	}
}
