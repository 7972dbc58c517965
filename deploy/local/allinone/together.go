package allinone

import (
	"errors"
	"sync"
)

// together calls functions at once, and returns all their errors when the last has ended.
func together(calls ...func() error) error {
	failed := make([]error, len(calls))
	var running sync.WaitGroup
	for i, call := range calls {
		running.Go(func() { failed[i] = call() })
	}
	running.Wait()
	return errors.Join(failed...)
}
