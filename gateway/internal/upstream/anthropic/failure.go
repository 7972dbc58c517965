package anthropic

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/ondemand"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/wire"
)

const (
	// maxErrorBody and errorBodyTimeout bound what is read of an error's body.
	maxErrorBody     = 64 << 10
	errorBodyTimeout = 10 * time.Second
	// maxWords bounds what is judged of a message: some repeat the request.
	maxWords = 4 << 10
	// maxName bounds Failure.Type.
	maxName = 64
	// maxWait bounds what an upstream can make a token rest.
	maxWait = 24 * time.Hour
)

// accountID is an organisation's or a workspace's id, as the vendor's words on limits name
// it.
var accountID = ondemand.Regexp(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(org|wrkspc)_\w+`)

// apiError is {"type":"error","error":{"type":…,"message":…}}, or words.
type apiError struct{ kind, message string }

// refused is the failure of an answer with a status other than 200.
func (a *attempt) refused(ctx context.Context, response *http.Response) *upstream.Failure {
	a.watch.Wait(errorBodyTimeout)
	body, err := wire.ReadRefusal(response, maxErrorBody)
	if err != nil && a.caller.Err() != nil {
		return a.interrupted(ctx, err, upstream.SignLost)
	}
	failure := a.failure(response.StatusCode, body)
	if failure.Class.Retryable() {
		failure.RetryAfter = cmp.Or(retryAfter(response.Header, failure.Class == upstream.RateLimit, time.Now()), failure.RetryAfter)
	}
	failure.Header = a.header
	if failure.Message != "" {
		return failure
	}
	failure.Message = strings.TrimSpace("the upstream answered with status " + strconv.Itoa(response.StatusCode) + " " + http.StatusText(response.StatusCode))
	if response.StatusCode < http.StatusBadRequest {
		failure.Message += " instead of an answer: is its base_url right?"
	}
	return failure
}

// reported is the failure that an error tells of inside an answer with status 200. Signs say
// what is wrong with the answer where it doesn't.
func (a *attempt) reported(said []byte, signs ...string) *upstream.Failure {
	failure := a.failure(http.StatusOK, said, signs...)
	if failure.Message == "" {
		failure.Message = "the upstream broke off with an error"
	}
	return failure
}

// failure judges an error by its body.
func (a *attempt) failure(status int, body []byte, signs ...string) *upstream.Failure {
	said, isObject := parseError(body)
	words := said.message[:min(len(said.message), maxWords)]
	failure := failures.Fail(upstream.Complaint{Status: status, Names: append([]string{said.kind}, signs...), Text: words})
	secret := a.call.Credential.Secret
	if len(said.kind) <= maxName {
		failure.Type = upstream.CleanMessage(said.kind, secret)
	}
	failure.Code = failure.Type
	if failure.Class.Cools() { // what it says of the account is for its owner
		body = accountID.Get().ReplaceAll(body, []byte("…"))
		said.message = accountID.Get().ReplaceAllString(said.message, "…")
		failure.RetryAfter = upstream.WaitInWords(words, time.Now())
	}
	failure.Message = upstream.CleanMessage(said.message, secret)
	if isObject && (secret.Empty() || !bytes.Contains(body, []byte(secret.Reveal()))) {
		failure.Dialect, failure.JSON = dialect, bytes.Clone(body)
	}
	return failure
}

// parseError reads an error; isObject: it is one of the API's. Of a page and of half an
// object nothing is told.
func parseError(body []byte) (said apiError, isObject bool) {
	s := rawjson.Over(body)
	kind := ""
	if s.Kind() == rawjson.Object {
		for ok := s.Object(); ok; ok = s.Member() {
			switch string(s.Key()) {
			case "type":
				kind = text(&s)
			case "error":
				said = readError(&s)
			case "message", "detail":
				said.message = cmp.Or(said.message, text(&s))
			default:
				s.Skip()
			}
		}
		if s.End() == nil {
			return said, kind == "error" && said.kind != ""
		}
	}
	if words := bytes.TrimSpace(body); len(words) > 0 && bytes.IndexByte([]byte("<{["), words[0]) < 0 {
		return apiError{message: string(words)}, false
	}
	return apiError{}, false
}

func readError(s *rawjson.Scanner) (said apiError) {
	if s.Kind() != rawjson.Object {
		return apiError{message: text(s)}
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "type":
			said.kind = text(s)
		case "message":
			said.message = text(s)
		default:
			s.Skip()
		}
	}
	return said
}

// limits are the things that the vendor limits by themselves. Its headers tell of each what
// remains and when it is full again.
var limits = []string{"Requests", "Tokens", "Input-Tokens", "Output-Tokens", "Unified"}

// retryAfter is how long the upstream asks to wait; 0 where it doesn't say. With limited,
// what it says of its limits counts; it says that in every answer.
func retryAfter(header http.Header, limited bool, now time.Time) time.Duration {
	if wait, told := wire.RetryAfter(header, maxWait, now); told {
		return wait
	}
	if !limited {
		return 0
	}
	var wait time.Duration
	for _, limit := range limits {
		const prefix = "Anthropic-Ratelimit-"
		if left := header.Get(prefix + limit + "-Remaining"); left != "" && left != "0" {
			continue
		}
		wait = max(wait, untilReset(header.Get(prefix+limit+"-Reset"), now))
	}
	return min(max(wait, 0), maxWait)
}

// untilReset is the time until a limit is full again, which some limits tell in Unix seconds;
// 0: it is not told.
func untilReset(reset string, now time.Time) time.Duration {
	if at, err := time.Parse(time.RFC3339, reset); err == nil {
		return at.Sub(now)
	}
	if seconds, err := strconv.ParseInt(reset, 10, 64); err == nil {
		return time.Unix(seconds, 0).Sub(now)
	}
	return 0
}
