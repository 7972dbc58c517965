package app

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Who guesses keys on the page of their holders is slowed as everywhere else, and nobody else is.
func TestGuessesOnTheHoldersPage(t *testing.T) {
	t.Parallel()
	g := started(t, nil)
	show := func(key, address string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/key", strings.NewReader(url.Values{"key": {key}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = address
		w := httptest.NewRecorder()
		g.handler.ServeHTTP(w, r)
		return w.Code
	}
	guesser := newAddress()
	for i := range 8 {
		if got := show("guess", guesser); got != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i, got)
		}
	}
	if got := show("guess", guesser); got != http.StatusTooManyRequests {
		t.Errorf("one guess too many: %d", got)
	}
	if got := show("guess", newAddress()); got != http.StatusUnauthorized {
		t.Errorf("a guess from elsewhere: %d", got)
	}
}
