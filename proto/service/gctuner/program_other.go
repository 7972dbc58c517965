//go:build !linux

package gctuner

// dropProgram does nothing: which pages can be read again is only known of Linux.
func dropProgram() {}
