package stack

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"time"
)

// PutCursor makes a Cursor upstream of its own at the simulator.
func (s *Stack) PutCursor(name string) {
	s.t.Helper()
	s.PutUpstream(name, map[string]any{"driver": "cursor", "base_url": s.SimURL, "settings": map[string]string{"site_url": s.SimURL, "protocol": "chat"}})
}

// AddExpiring adds a Cursor token that expires after a while, and returns its id.
func (s *Stack) AddExpiring(upstream string, after time.Duration) string {
	s.t.Helper()
	claims := fmt.Sprintf(`{"sub":"user_%d","exp":%d}`, time.Now().UnixNano(), time.Now().Add(after).Unix())
	var added Token
	s.Gateways[0].MustAdmin(s.t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", map[string]any{
		"upstream": upstream, "token": "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2lnbmF0dXJl",
	}).JSON(s.t, &added)
	return added.ID
}

// SoonExpired is so short before its expiry that a token counts as expired.
const SoonExpired = time.Minute
