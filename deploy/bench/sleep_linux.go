package main

import (
	"syscall"
	"time"
)

// sleep ends some 50 µs after its time, or earlier where a signal comes. Go's own timers
// may be a millisecond late in a program that is idle, more than what is to be measured.
func sleep(d time.Duration) {
	wait := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&wait, nil)
}
