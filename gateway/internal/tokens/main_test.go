package tokens

import (
	"testing"

	"carousel.internal/gateway/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
