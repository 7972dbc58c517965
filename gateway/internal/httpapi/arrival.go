package httpapi

import (
	"net/http"
	"strings"
	"time"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/reqbody"
)

// arrive brings each request into its canonical form before anything looks at it: who
// sent it, by which path, with which key. So neither routes nor checks nor logs have a
// second form to think of. Its body is watched until it has been served, and its answer,
// whoever writes it, has a deadline: a client that does not read holds no connection.
func (s *server) arrive(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.writeDeadline(w) // what takes longer to make has another one when it is written
		defer s.writeDeadline(w)
		s.Options.Proxies.Resolve(r)
		s.straighten(r)
		auth.TakeKey(r, s.dialectOf(r).KeyHeaders(), s.belowV1(r.URL.Path))
		w, release := reqbody.Watch(w, r, s.Options.ReadTimeout, s.bodies)
		defer release()
		next.ServeHTTP(w, r)
	})
}

// writeDeadline bounds the time for what is written next. A writer without deadlines (a
// recorder) is no reason to fail.
func (s *server) writeDeadline(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.Options.Stream.WriteTimeout))
}

// straighten takes out slashes that a client has set twice, or at the end, on the way to
// what is below /v1. What is elsewhere is called by its exact name.
func (s *server) straighten(r *http.Request) {
	asked := r.URL.Path
	if !strings.Contains(asked, "//") && !strings.HasSuffix(asked, "/") {
		return
	}
	var parts []string
	for part := range strings.SplitSeq(asked, "/") {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if straight := "/" + strings.Join(parts, "/"); s.belowV1(straight) {
		r.URL.Path, r.URL.RawPath = straight, ""
	}
}

// belowV1 tells whether a path is one of the API's that clients call.
func (s *server) belowV1(asked string) bool {
	return strings.HasPrefix(asked, s.Options.RoutePrefix+"/v1/")
}

// near is the route below /v1 that a client has probably meant; empty where there is none.
func (s *server) near(asked string) string {
	v1 := s.Options.RoutePrefix + "/v1"
	for _, endpoint := range s.endpoints {
		if tail, below := strings.CutPrefix(endpoint, v1); below && strings.HasSuffix(asked, tail) {
			return endpoint
		}
	}
	return ""
}
