package openai

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"carousel.internal/gateway/internal/ondemand"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/gateway/internal/upstream/wire"
)

// routeState is whether an upstream serves the Responses API.
type routeState int32

const (
	untold routeState = iota
	served
	missing
)

// responsesRoute is what is known of whether the upstream serves the Responses API. It is safe
// for concurrent use.
type responsesRoute struct {
	known atomic.Int32
	// asking is held by the one who asks; nobody waits for it. It guards next, before which
	// no request asks again.
	asking sync.Mutex
	next   time.Time
}

func (r *responsesRoute) state() routeState { return routeState(r.known.Load()) }

func (r *responsesRoute) learn(told routeState) { r.known.Store(int32(told)) }

// doubt is for an upstream that has refused a request as if it served no such API, in nobody's
// words: a proxy may have said it. It is asked again when there has been a pause.
func (r *responsesRoute) doubt() {
	if !r.asking.TryLock() {
		return
	}
	defer r.asking.Unlock()
	r.next = time.Now().Add(probePause)
	r.learn(untold)
}

const (
	// probeTimeout bounds the question whether there is a Responses API, and probePause is how
	// long requests don't ask again after an answer that told nothing.
	probeTimeout = 10 * time.Second
	probePause   = time.Minute
)

// servingFor is what is known of an upstream before it has been asked.
func servingFor(q *quirks) routeState {
	switch {
	case q.responses == on, q.responses == auto && q.responsesKnown:
		return served
	case q.responses == off:
		return missing
	}
	return untold
}

// findResponses asks the upstream whether it serves the Responses API, if that is not known and
// nobody asks just now. soon: even if it has been asked a moment ago.
func (d *Driver) findResponses(ctx context.Context, credential upstream.Credential, soon bool) {
	route := &d.responses
	if route.state() != untold || !route.asking.TryLock() {
		return
	}
	defer route.asking.Unlock()
	if route.state() != untold || !soon && time.Now().Before(route.next) {
		return
	}
	if told := d.probeResponses(ctx, credential); told != untold {
		route.learn(told)
	}
	route.next = time.Now().Add(probePause)
}

// probeResponses sends a request that no upstream can answer and none bills: what it says of it
// tells whether there is somebody to read it.
func (d *Driver) probeResponses(ctx context.Context, credential upstream.Credential) routeState {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	header := http.Header{"Accept": jsonType, "User-Agent": userAgent, "Accept-Encoding": identity}
	authorize(header, credential)
	response, err := d.transport.RoundTrip(post(egress.Through(ctx, credential.Proxy), d.responsesURL, header, []byte("{}")))
	if err != nil {
		return untold
	}
	defer func() { _ = response.Body.Close() }()
	body, err := wire.ReadRefusal(response, maxErrorBody)
	if err != nil {
		return untold
	}
	return servingOf(response.StatusCode, body)
}

// servingOf is what the answer to a request of nothing tells.
func servingOf(status int, body []byte) routeState {
	said := parseError(body)
	switch status {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return missing
	case http.StatusNotFound:
		if said.aboutModel(status) {
			return served
		}
		return missing
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		switch {
		case said == apiError{}: // a proxy's page
			return untold
		case said.aboutRoute():
			return missing
		}
		return served
	case http.StatusOK: // an upstream that is content with nothing
		if objectOf(body) == "response" {
			return served
		}
	}
	return untold
}

// routeMissing tells whether a refusal means that the upstream does not serve the Responses API
// at all: not that it lacks a model, or what the request names.
func routeMissing(status int, body []byte) bool {
	switch status {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	case http.StatusNotFound:
	default:
		return false
	}
	said := parseError(body)
	if said == (apiError{}) { // nothing, or a page
		return !hasErrorObject(body)
	}
	return said.param == "" && !said.aboutModel(status) && said.aboutRoute()
}

// routeWords are as FastAPI has them, `Not Found`, as Go, `404 page not found`, as OpenAI,
// `Unknown request URL: POST /v1/x` and `Invalid URL (POST /v1/x)`, and as Express, `Cannot
// POST /v1/x`.
var routeWords = ondemand.Regexp(`(?i)^(404:? )?((page|path|url|endpoint|route|resource) )?not found[.!]?$` +
	`|\b(invalid|unknown|unrecognized|unsupported) (request )?(url|path|route|endpoint)\b|\bcannot post\b` +
	`|\bno (such |matching )?(url|path|route|endpoint|handler)\b` +
	`|\b(url|path|route|endpoint)\b.{0,120}\b(not found|does not exist|doesn't exist|not (supported|available|implemented|allowed))`)

// routeCodes are names that say no more than the words beside them.
var routeCodes = map[string]bool{"": true, "unknown_url": true, "not_found": true, "route_not_found": true}

// aboutRoute tells whether the upstream says that there is nothing at the address.
func (said apiError) aboutRoute() bool {
	_, err := strconv.Atoi(said.code)
	return (err == nil || routeCodes[said.code]) && routeWords.MatchString(said.words())
}

// aboutModel tells whether the upstream says that it lacks the model.
func (said apiError) aboutModel(status int) bool {
	class := failures.Fail(said.complaint(status)).Class
	return class == upstream.ModelUnknown || class == upstream.ModelNotAllowed
}

// objectOf is what an object calls itself; empty: it is none, or doesn't.
func objectOf(data []byte) string {
	s := rawjson.Over(data)
	if s.Kind() != rawjson.Object {
		return ""
	}
	name := ""
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) == "object" {
			name = text(&s)
		} else {
			s.Skip()
		}
	}
	if s.End() != nil {
		return ""
	}
	return name
}
