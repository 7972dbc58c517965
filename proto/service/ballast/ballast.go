// Package ballast makes the garbage collector patient with a small process.
//
// Go collects when the heap has doubled. A service whose live heap is a few MiB
// doubles it many times a second under load, and collects as often. A block of
// memory that is never touched counts as live, and so lets that much garbage
// gather first; the operating system gives it no page. For a heap that is large
// anyway it changes next to nothing, unlike a higher GOGC.
package ballast

import "runtime"

// Hold puts so many bytes on the heap until release is called.
func Hold(bytes int) (release func()) {
	block := make([]byte, bytes)
	return func() { runtime.KeepAlive(block) }
}
