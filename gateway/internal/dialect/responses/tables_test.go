package responses

import (
	"testing"

	"carousel.internal/gateway/internal/chat"
)

// Each kind has a row, and a status that speaks of the client's key does so of no other's.
func TestEveryKindHasARendering(t *testing.T) {
	t.Parallel()
	for _, kind := range chat.Kinds() {
		as, known := renderings[kind]
		if !known || as.status < 400 || as.kind == "" || as.code == "" || as.failed == "" {
			t.Errorf("%s: %+v", kind, as)
		}
		own := kind == chat.Unauthenticated || kind == chat.OwnTokenRefused || kind == chat.Forbidden
		if speaks := as.status == 401 || as.status == 403; speaks != own {
			t.Errorf("%s: %d", kind, as.status)
		}
	}
	if len(renderings) != len(chat.Kinds()) {
		t.Errorf("%d rows for %d kinds", len(renderings), len(chat.Kinds()))
	}
}
