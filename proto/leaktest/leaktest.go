// Package leaktest fails the tests of a package that leave goroutines behind.
package leaktest

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a goroutine that is about to end may take: a busy machine stops one
// at its last step as well as at any other.
const patience = time.Minute

// Main is a package's TestMain.
func Main(m *testing.M) { goleak.VerifyTestMain(patient{m}) }

// patient are tests that are over when their goroutines are, or are not going to be.
type patient struct{ tests *testing.M }

// Run implements goleak.TestingM.
func (p patient) Run() int {
	code := p.tests.Run()
	for until := time.Now().Add(patience); code == 0 && goleak.Find() != nil && time.Now().Before(until); {
		continue // Find itself waits between its looks
	}
	return code
}
