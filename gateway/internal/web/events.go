package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/news"
	"carousel.internal/gateway/internal/sse"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// News are the tokenstore's answers about what has changed.
type News interface {
	GetVersions(context.Context, *tokenstorev1.GetVersionsRequest, ...grpc.CallOption) (*tokenstorev1.GetVersionsResponse, error)
}

const (
	// eventsLife is how long a stream of events lasts: the browser begins another, maybe at another
	// gateway, and what nobody has noticed to be dead is gone.
	eventsLife = 10 * time.Minute
	// eventsRetry is what a browser that is refused a stream is told to wait.
	eventsRetry = 30 * time.Second
)

// GET /admin/events: which parts of what the pages show have changed, as server-sent events for the
// pages' own script. The data of each is the names of the parts with spaces between, `all`, or
// nothing: that is a sign of life. The stream ends with the session, and when the gateway drains.
func (s *Site) events(c *gin.Context) {
	r := c.Request
	session, ok := s.Gate.Session(r)
	if !ok {
		s.fail(c, chat.Errorf(chat.Unauthenticated, "%s", s.texts(r)["problem.session"]))
		return
	}
	if from := r.Header.Get("Sec-Fetch-Site"); from != "" && from != "same-origin" {
		s.fail(c, chat.Errorf(chat.Forbidden, "%s", s.texts(r)["problem.origin"]))
		return
	}
	if r.Method == http.MethodHead {
		c.Header("Content-Type", sse.ContentType)
		return
	}
	until := time.Now().Add(eventsLife)
	listener, err := s.news.Listen(session.ID, func() bool {
		_, holds := s.Gate.Session(r)
		return holds && time.Now().Before(until)
	})
	if err != nil {
		_ = c.Error(refusedListener(err))
		return
	}
	defer listener.Close()
	streamEvents(c, listener)
}

func refusedListener(err error) error {
	refused := chat.Errorf(chat.Overloaded, "this gateway has as many streams of events as it may: ask again later")
	if errors.Is(err, news.ErrClosed) {
		refused = chat.Errorf(chat.ShuttingDown, "this gateway is shutting down: ask again, for another one")
	}
	refused.RetryAfter = eventsRetry
	return refused
}

// streamEvents sends what a listener hears until it is over, or the browser has gone.
func streamEvents(c *gin.Context, listener *news.Listener) {
	stream := sse.Start(c.Writer, sse.Options{Heartbeat: eventsLife}) // the desk's own beat is told to scripts
	defer func() { _ = stream.Close() }()                             // a browser that has gone does not mind
	for {
		changed, ok := listener.Next(c.Request.Context())
		if !ok || stream.Data(eventOf(changed), false) != nil {
			return
		}
	}
}

// eventOf is the data that names the parts.
func eventOf(changed []string) []byte {
	if slices.Contains(changed, news.All) {
		changed = []string{news.All}
	}
	return []byte(strings.Join(changed, " "))
}

// versions are those of the parts that the pages name in data-of. What admins do, gateways that
// come and go, and a minute that has passed may change anything.
func (s *Site) versions(ctx context.Context) (map[string]string, error) {
	told, err := s.News.GetVersions(ctx, &tokenstorev1.GetVersionsRequest{})
	if err != nil {
		return nil, err
	}
	fleet := s.Fleet()
	counted, running := fmt.Sprint(fleet.GetTotalRequests()), time.Now().Format("15:04")
	for _, each := range fleet.GetReplicas() {
		counted += fmt.Sprint(" ", each.GetActive(), each.GetLogAccepted(), each.GetLogPending(), each.GetLogDropped())
		running += " " + each.GetName()
	}
	for _, warning := range fleet.GetWarnings() {
		running += " " + warning.GetKind()
	}
	return map[string]string{
		"tokens": told.GetTokens(), "requests": told.GetRequests() + " " + counted, "logins": told.GetLogins(),
		news.All: told.GetAdmins() + " " + running + fmt.Sprint(s.outage() != nil),
	}, nil
}

// Close ends the streams of events, and lets none begin: a gateway that drains does not wait for
// them.
func (s *Site) Close() { s.news.Close() }
