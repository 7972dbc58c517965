package httpapi

import (
	"errors"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// admit lets in who has sent a request in a dialect. Whoever has no right to ask learns no
// more than that.
func (s *server) admit(c *gin.Context, api dialect.Dialect) (auth.Sender, error) {
	x := exchangeOf(c)
	x.line.Dialect = api.Name()
	sender, err := s.Gate.Caller(c.Request, api.KeyHeaders(), s.allowed(), time.Now())
	if err != nil {
		return auth.Sender{}, err
	}
	x.sender = sender
	s.identify(c, api, sender.Caller)
	return sender, nil
}

// visit is admit where no key is needed: it returns whose client key has been sent, if one has.
func (s *server) visit(c *gin.Context, api dialect.Dialect) (caller.Caller, error) {
	visitor, err := s.Gate.Visitor(c.Request, api.KeyHeaders(), time.Now())
	if err == nil && visitor.Kind != "" {
		exchangeOf(c).sender.Caller = visitor
		s.identify(c, api, visitor)
	}
	return visitor, err
}

// allowed is what the settings let callers do.
func (s *server) allowed() auth.Allowed {
	settings := s.settings()
	return auth.Allowed{OwnTokens: settings.GetEnableOwnTokens(), AliasPinning: settings.GetEnableAliasPinning()}
}

// identify notes who has sent a request, and has the answer tell a key's limits.
func (s *server) identify(c *gin.Context, api dialect.Dialect, from caller.Caller) {
	exchangeOf(c).sentBy(from)
	if from.Key != nil && len(from.Key.Limits) > 0 {
		c.Writer = &limitWriter{ResponseWriter: c.Writer, limits: &limits{api: api, key: from.Key, standing: s.Standing}}
	}
}

// sentBy notes for the log who has sent the request.
func (x *exchange) sentBy(from caller.Caller) {
	x.line.Caller, x.line.KeyID, x.line.KeyName = string(from.Kind), from.KeyID(), from.KeyName()
}

// refusedFor is why an error refuses a request for its key, as metrics name it, and whose the key
// is; empty: it does not.
func (x *exchange) refusedFor(failure *chat.Error) (reason string, key *caller.Key) {
	if refusal := (*caller.Refusal)(nil); errors.As(failure, &refusal) {
		return string(refusal.Reason), refusal.Key
	}
	key = x.sender.Key
	switch {
	case failure.Kind == chat.KeyLimited:
		return "limited", key
	case failure.Kind == chat.KeySpent:
		return "spent", key
	case failure.Kind == chat.ModelNotSupported && key != nil && !key.MayUse(x.line.Model):
		return "model", key
	case failure.Kind == chat.Unauthenticated && key != nil: // the store has found out
		return "unusable", key
	default:
		return "", nil
	}
}
