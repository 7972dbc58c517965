package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/dialect"
)

// limits are what an answer's headers say of the limits of the key that asked.
type limits struct {
	api dialect.Dialect
	key *caller.Key
	// standing is as in Deps.
	standing func(keyID string) []caller.Standing
}

// tell sets the headers of the limits by the minute, as of now. What an upstream says of the limits
// of one of its tokens goes: it is not what the client is held to.
func (l *limits) tell(header http.Header) {
	for name := range header {
		if strings.HasPrefix(name, "X-Ratelimit-") || strings.HasPrefix(name, "Anthropic-Ratelimit-") {
			delete(header, name)
		}
	}
	var known []caller.Standing
	if l.standing != nil {
		known = l.standing(l.key.ID)
	}
	now := time.Now()
	teller, _ := l.api.(dialect.LimitTeller)
	for _, limit := range l.key.Limits {
		if limit.Period != caller.Minute {
			continue
		}
		told := rateLimit(limit, known, now)
		dialect.SetRateLimit(header, told, now)
		if teller != nil {
			teller.TellLimit(header, told, now)
		}
	}
}

// rateLimit is a limit by the minute with what is known of how far it is used up. What is set aside
// may be used at any moment, and what is used counts for a minute.
func rateLimit(limit caller.Limit, known []caller.Standing, now time.Time) dialect.RateLimit {
	told := dialect.RateLimit{Unit: string(limit.Unit), Limit: limit.Amount}
	for _, standing := range known {
		if standing.Unit != limit.Unit || standing.Period != limit.Period {
			continue
		}
		told.Limit, told.Known, told.Left, told.Reset = standing.Amount, true, standing.Left(), standing.RenewsAt
		if latest := now.Add(time.Minute); standing.Reserved > 0 || told.Reset.After(latest) {
			told.Reset = latest
		}
	}
	return told
}

// limitWriter tells limits in the headers of an answer, as late as that can be: by then the request
// itself is counted.
type limitWriter struct {
	gin.ResponseWriter
	limits *limits
}

// Unwrap is for http.ResponseController.
func (w *limitWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// commit is called before the headers are sent.
func (w *limitWriter) commit() {
	if !w.Written() {
		w.limits.tell(w.Header())
	}
}

// Write implements io.Writer.
func (w *limitWriter) Write(piece []byte) (int, error) {
	w.commit()
	return w.ResponseWriter.Write(piece)
}

// WriteString implements io.StringWriter.
func (w *limitWriter) WriteString(text string) (int, error) {
	w.commit()
	return w.ResponseWriter.WriteString(text)
}

// WriteHeaderNow implements gin.ResponseWriter.
func (w *limitWriter) WriteHeaderNow() {
	w.commit()
	w.ResponseWriter.WriteHeaderNow()
}

// Flush implements http.Flusher.
func (w *limitWriter) Flush() {
	w.commit()
	w.ResponseWriter.Flush()
}
