package adminapi

import (
	"context"
	"fmt"
	"strings"
	"time"

	"carousel.internal/proto/cursor/sessiontoken"
	"carousel.internal/proto/cursor/userkey"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// leastKey is how long an API key is at least, in bytes.
	leastKey = 16
	// maxWarnings bounds those that an answer has.
	maxWarnings = 100
)

// suspicion says why a text does not look like a token for an upstream of this driver;
// empty where it does. It is a warning, no refusal: what an upstream takes is its own to
// say. It does not repeat the text.
func suspicion(driver, secret string, now time.Time) string {
	if driver == "cursor" {
		if userkey.Is(secret) {
			return ""
		}
		if _, err := sessiontoken.Parse(secret, now); err != nil {
			return "this does not look like a session token: " + strings.TrimPrefix(err.Error(), "it is no session token: ")
		}
		return ""
	}
	if driver != "" && len(secret) < leastKey {
		return fmt.Sprintf("this does not look like an API key: it has only %d characters", len(secret))
	}
	return ""
}

// defaultDriver is that of the upstream that tokens belong to where none is named.
const defaultDriver = "cursor"

// driverOf is the driver of an upstream; empty where it is not known, which is for the
// store to say.
func (a *API) driverOf(ctx context.Context, upstreamName string) string {
	if upstreamName == "" {
		return defaultDriver
	}
	stored, _ := a.storedUpstream(ctx, upstreamName)
	return stored.GetDriver()
}

// lineWarning is a line of a file that was taken although it looks wrong.
type lineWarning struct {
	Line   uint32 `json:"line"`
	Reason string `json:"reason"`
}

// suspicions are the lines of a token file that look wrong, without those that were
// rejected.
func suspicions(driver, content string, rejected []*tokenstorev1.RejectedLine, now time.Time) []lineWarning {
	refused := map[uint32]bool{}
	for _, each := range rejected {
		refused[each.GetLine()] = true
	}
	warnings := []lineWarning{}
	number := uint32(0)
	for line := range strings.Lines(content) {
		number++
		secret := secretOf(line)
		if secret == "" || refused[number] || len(warnings) == maxWarnings {
			continue
		}
		if reason := suspicion(driver, secret, now); reason != "" {
			warnings = append(warnings, lineWarning{number, reason})
		}
	}
	return warnings
}

// secretOf is the token of a line of a token file; empty where it has none.
func secretOf(line string) string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return ""
	}
	_, value, isCookie := strings.Cut(line, "WorkosCursorSessionToken=")
	if isCookie {
		line, _, _ = strings.Cut(value, ";")
	}
	line = strings.NewReplacer("%3A", ":", "%3a", ":").Replace(line)
	line, _, _ = strings.Cut(line, ",")
	if at := strings.LastIndex(line, "::"); at >= 0 {
		line = line[at+len("::"):]
	}
	return strings.TrimSpace(line)
}
