// Package compose tests the compose file that people run: its containers are built, started,
// upgraded and killed.
package compose_test

import (
	"testing"

	"carousel.internal/deploy/e2e/stack"
)

func TestMain(m *testing.M) { stack.Main(m) }
