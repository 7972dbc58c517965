package token

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// maxSession bounds the life of a page session: revoked ones are kept as long.
const maxSession = 400 * 24 * time.Hour

var sessionID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// CheckSession refuses what can't be a page session that ends at the time.
func CheckSession(id string, ends, now time.Time) error {
	if !sessionID.MatchString(id) {
		return errors.New("id: 1 to 64 letters, digits, `-` and `_`")
	}
	if ends.After(now.Add(maxSession)) {
		return fmt.Errorf("expires_at: at most %d days ahead", maxSession/(24*time.Hour))
	}
	return nil
}
