package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// passerFunc is a driver that passes calls on.
type passerFunc func(ctx context.Context, call *upstream.RawCall) (*upstream.RawAnswer, error)

func (f passerFunc) Pass(ctx context.Context, call *upstream.RawCall) (*upstream.RawAnswer, error) {
	return f(ctx, call)
}

// delivered is what becomes of a carried request.
type delivered struct {
	head  *carried.Head
	body  string
	usage *chat.Usage
	err   *chat.Error
	ends  int
}

// carriedRequest is one to an endpoint.
func carriedRequest(t *testing.T, endpoint, body string) *carried.Request {
	t.Helper()
	for _, route := range carried.Routes() {
		if route.Name == endpoint {
			request, err := carried.ReadJSON(route, http.Header{}, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			request.ID, request.Created, request.Dialect = "request", time.Now(), "spoken"
			return request
		}
	}
	t.Fatalf("no endpoint %s", endpoint)
	return nil
}

// carryRig is a relay whose upstream passes on by pass. Calls are noted by the key that
// they are made with and the body that they have.
func carryRig(pass passerFunc) (r *rig, calls *[]string) {
	r, calls = newRig(nil), &[]string{}
	driver := struct {
		driverFunc
		passerFunc
	}{nil, func(ctx context.Context, call *upstream.RawCall) (*upstream.RawAnswer, error) {
		var body []byte
		if call.Open != nil {
			body, _ = io.ReadAll(call.Open())
		}
		*calls = append(*calls, call.Credential.Secret.Reveal()+": "+call.Path+" "+string(body))
		return pass(ctx, call)
	}}
	r.relay.Catalog = catalogFunc(func(wish catalog.Wish) (catalog.Target, error) {
		if wish.Endpoint == "" {
			return catalog.Target{}, chat.Errorf(chat.ModelNotSupported, "no such model")
		}
		lists := map[string][]string{"with-fallback": {"other"}}
		return catalog.Target{
			Upstream: "up", Driver: driver, Model: "inner-" + wish.Model,
			Discipline: &catalog.Discipline{RetryPercent: 100, FallbackLists: map[string][]string{"inner-with-fallback": lists[wish.Model]}},
		}, nil
	})
	return r, calls
}

// carry collects the answer; the client hangs up behind as many pieces.
func (r *rig) carry(t *testing.T, request *carried.Request, pieces int) (got delivered) {
	t.Helper()
	for piece, err := range r.relay.Carry(t.Context(), request, r.caller, r.choice) {
		if got.err != nil {
			t.Fatal("an error was not the last")
		}
		got.ends++
		switch {
		case err != nil:
			got.err = chat.AsError(err)
		case piece.Head != nil:
			got.head = piece.Head
		case piece.Usage != nil:
			got.usage = piece.Usage
		default:
			got.body += string(piece.Bytes)
		}
		if got.ends == pieces {
			break
		}
	}
	return got
}

// A request about what the upstream has given an id goes to the path of that, by its method. What
// the answer says of model tokens was counted when it was made.
func TestARequestBelowAnEndpoint(t *testing.T) {
	t.Parallel()
	var sent *upstream.RawCall
	r, _ := carryRig(func(_ context.Context, call *upstream.RawCall) (*upstream.RawAnswer, error) {
		sent = call
		end := func() (*chat.Usage, *upstream.Failure) {
			return &chat.Usage{Prompt: 7, Source: chat.UsageReported}, nil
		}
		return &upstream.RawAnswer{Status: http.StatusOK, Length: 2, Body: io.NopCloser(strings.NewReader("{}")), End: end}, nil
	})
	request := carried.Bare(&carried.Route{Name: "things"}, http.MethodDelete, "/thing_1", "m", nil)
	got := r.carry(t, request, 0)
	if got.err != nil || got.body != "{}" || got.usage != nil {
		t.Fatalf("%+v", got)
	}
	if sent.Method != http.MethodDelete || sent.Path != "things/thing_1" || sent.Open != nil || sent.Length != 0 {
		t.Errorf("sent %+v", sent)
	}
	if usage := r.log.entries[0].Usage; usage.Source != chat.UsageUnknown || usage.Prompt != 0 {
		t.Errorf("counted %+v", usage)
	}
}

// closing is a body that notes its end.
type closing struct {
	io.Reader
	closed *int
}

func (c closing) Close() error {
	*c.closed++
	return nil
}

func answering(text string, end error, usage *chat.Usage, told *upstream.Failure, closed *int) *upstream.RawAnswer {
	body := io.Reader(strings.NewReader(text))
	if end != nil {
		body = io.MultiReader(body, iotest.ErrReader(end))
	}
	return &upstream.RawAnswer{
		Status: http.StatusCreated, Header: http.Header{"Content-Type": {"x/y"}}, Length: int64(len(text)), Body: closing{body, closed},
		End: func() (*chat.Usage, *upstream.Failure) { return usage, told },
	}
}

func unsent(class upstream.Class) *upstream.Failure {
	return &upstream.Failure{Class: class, Err: fmt.Errorf("%w: no route", upstream.ErrUnsent)}
}

// One table of who is asked, and what is settled, logged and told.
func TestCarry(t *testing.T) {
	t.Parallel()
	counted := &chat.Usage{Prompt: 5, Source: chat.UsageReported}
	fail := func(class upstream.Class) *upstream.Failure {
		return &upstream.Failure{Class: class, Message: "it said so"}
	}
	for _, c := range []struct {
		name, endpoint, model string
		answers               []any // failures before, or texts of, or failures inside of an answer
		keys                  string
		classes               []upstream.Class
		body                  string
		kind                  chat.Kind
		end                   reqlog.End
	}{
		{"good", "embeddings", "m", []any{"[1]"}, "a", []upstream.Class{""}, "[1]", "", reqlog.Done},
		{"a bad key", "embeddings", "m", []any{fail(upstream.Auth), "[1]"}, "ab", []upstream.Class{upstream.Auth, ""}, "[1]", "", reqlog.Done},
		{
			"rate limits of all keys", "embeddings", "m",
			[]any{fail(upstream.RateLimit), fail(upstream.RateLimit), fail(upstream.RateLimit)},
			"abc",
			[]upstream.Class{upstream.RateLimit, upstream.RateLimit, upstream.RateLimit},
			"", chat.RateLimited, reqlog.UpstreamError,
		},
		{"a wrong request", "embeddings", "m", []any{fail(upstream.CallerFault)}, "a", []upstream.Class{upstream.CallerFault}, "", chat.UpstreamRejected, reqlog.UpstreamError},
		{"a broken upstream", "embeddings", "m", []any{fail(upstream.Broken), fail(upstream.Transport), "[1]"}, "abc", []upstream.Class{upstream.Broken, upstream.Transport, ""}, "[1]", "", reqlog.Done},
		{"a picture that may have been begun", "images/generations", "m", []any{fail(upstream.Transport)}, "a", []upstream.Class{upstream.Transport}, "", chat.UpstreamUnavailable, reqlog.UpstreamError},
		{"a picture after a timeout", "images/generations", "m", []any{fail(upstream.Broken)}, "a", []upstream.Class{upstream.Broken}, "", chat.UpstreamUnavailable, reqlog.UpstreamError},
		{
			"a picture that was refused", "images/generations", "m",
			[]any{fail(upstream.RateLimit), fail(upstream.Auth), "png"},
			"abc",
			[]upstream.Class{upstream.RateLimit, upstream.Auth, ""},
			"png", "", reqlog.Done,
		},
		{"a picture behind a dead proxy", "images/generations", "m", []any{fail(upstream.Proxy), "png"}, "ab", []upstream.Class{upstream.Proxy, ""}, "png", "", reqlog.Done},
		{"a picture that was not sent", "images/generations", "m", []any{unsent(upstream.Transport), "png"}, "ab", []upstream.Class{upstream.Transport, ""}, "png", "", reqlog.Done},
		{"a break in the middle", "audio/speech", "m", []any{errors.Join(errHalf, fail(upstream.Truncated))}, "a", []upstream.Class{upstream.Truncated}, "half", chat.UpstreamProtocol, reqlog.Truncated},
		{"an error that the client was told", "completions", "m", []any{errors.Join(errTold, fail(upstream.RateLimit))}, "a", []upstream.Class{upstream.RateLimit}, "told", "", reqlog.UpstreamError},
		{"another model", "completions", "with-fallback", []any{fail(upstream.ModelUnknown), "text"}, "aa", []upstream.Class{upstream.ModelUnknown, ""}, "text", "", reqlog.Done},
		{"no other model for vectors", "embeddings", "with-fallback", []any{fail(upstream.ModelUnknown)}, "a", []upstream.Class{upstream.ModelUnknown}, "", chat.ModelNotFound, reqlog.UpstreamError},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			closed, opened := 0, 0
			var r *rig
			var calls *[]string
			r, calls = carryRig(func(context.Context, *upstream.RawCall) (*upstream.RawAnswer, error) {
				next := c.answers[len(*calls)-1]
				if text, good := next.(string); good {
					opened++
					return answering(text, nil, counted, nil, &closed), nil
				}
				err := next.(error)
				failure, _ := errors.AsType[*upstream.Failure](err)
				switch {
				case errors.Is(err, errHalf):
					opened++
					return answering("half", failure, nil, nil, &closed), nil
				case errors.Is(err, errTold):
					opened++
					return answering("told", nil, nil, failure, &closed), nil
				}
				return nil, failure
			})
			r.policy.LogPrompts = true
			got := r.carry(t, carriedRequest(t, c.endpoint, `{"model":"`+c.model+`","input":"hi","prompt":"hi"}`), whole)
			keys := ""
			for _, call := range *calls {
				keys += strings.TrimPrefix(call, "secret of ")[:1]
			}
			classes, err := r.pool.classes()
			if keys != c.keys || err != nil || !slices.Equal(classes, c.classes) || opened != closed {
				t.Errorf("asked with %q, settled as %q, %v; %d bodies of %d closed", keys, classes, err, closed, opened)
			}
			if got.body != c.body || (got.err == nil) != (c.kind == "") || got.err != nil && got.err.Kind != c.kind {
				t.Errorf("got %q, %v", got.body, got.err)
			}
			if len(r.log.entries) != 1 {
				t.Fatalf("%d log entries", len(r.log.entries))
			}
			e := r.log.entries[0]
			if e.End != c.end || e.Attempts != len(*calls) || e.Dialect != "spoken/"+c.endpoint || e.Model != c.model || e.ID != "request" ||
				e.Prompt != "<|BEGIN_USER|>\nhi\n<|END_USER|>\n" || len(e.AttemptLog) != len(*calls) {
				t.Errorf("entry %+v", e)
			}
			if c.end == reqlog.Done && (got.head == nil || got.head.Status != http.StatusCreated || got.usage != counted || e.Usage != *counted ||
				got.head.FallbackModel != e.FallbackModel || e.FirstByte <= 0) {
				t.Errorf("head %+v, usage %+v, entry %+v", got.head, got.usage, e)
			}
		})
	}
}

var (
	errHalf = errors.New("in the middle")
	errTold = errors.New("told")
)

// The upstream gets the body with its own name for the model, and nothing else changed.
func TestCarryRenamesTheModel(t *testing.T) {
	t.Parallel()
	closed := 0
	r, calls := carryRig(func(_ context.Context, call *upstream.RawCall) (*upstream.RawAnswer, error) {
		if call.Vectors != upstream.Base64 || call.Query != "x=1" || call.Once || call.Stream || call.Slow {
			t.Errorf("%+v", call)
		}
		return answering("", nil, nil, nil, &closed), nil
	})
	request := carriedRequest(t, "embeddings", `{ "input":[1e400], "model":"m","encoding_format":"base64" }`)
	request.Query = "x=1"
	r.carry(t, request, whole)
	if want := `secret of a: embeddings { "input":[1e400], "model":"inner-m","encoding_format":"base64" }`; (*calls)[0] != want {
		t.Errorf("%s", (*calls)[0])
	}
	if e := r.log.entries[0]; e.Usage.Source != chat.UsageUnknown {
		t.Errorf("usage %+v", e.Usage)
	}
}

// A client that hangs up ends the upstream's call, and no token is blamed.
func TestCarryHangUp(t *testing.T) {
	t.Parallel()
	for pieces := 1; pieces <= 2; pieces++ {
		closed := 0
		r, _ := carryRig(func(context.Context, *upstream.RawCall) (*upstream.RawAnswer, error) {
			return answering("abc", nil, nil, nil, &closed), nil
		})
		r.carry(t, carriedRequest(t, "audio/speech", `{"model":"m"}`), pieces)
		classes, err := r.pool.classes()
		if err != nil || !slices.Equal(classes, []upstream.Class{upstream.ClientGone}) || closed != 1 || r.log.entries[0].End != reqlog.ClientGone {
			t.Errorf("after %d pieces: %q, %v, %d closed, %+v", pieces, classes, err, closed, r.log.entries[0])
		}
	}
}

// An admin can give an upstream another driver while a request waits for a token.
func TestCarryWithoutADriverThatCan(t *testing.T) {
	t.Parallel()
	r, _ := carryRig(nil)
	r.relay.Catalog = mended{r.relay.Catalog.(catalogFunc), driverFunc(nil)}
	got := r.carry(t, carriedRequest(t, "embeddings", `{"model":"m"}`), whole)
	if got.err == nil || !strings.Contains(got.err.Message, "no such endpoint") {
		t.Errorf("%v", got.err)
	}
	if _, err := r.pool.classes(); err != nil {
		t.Error(err)
	}
}

// A session, or with the sticky strategy a user, stays on a token here as with chats.
func TestCarryAffinity(t *testing.T) {
	t.Parallel()
	key := func(policy Policy, choice lease.Choice, session, user string) string {
		p := &passage{run: &run{policy: policy, choice: choice}, request: &carried.Request{Session: session, User: user}}
		return p.affinityKey()
	}
	sticky := Policy{Sticky: true}
	if a, b := key(Policy{Affinity: Conversations}, lease.Choice{}, "s", ""), key(sticky, lease.Choice{}, "s", "u"); a == "" || a != b {
		t.Errorf("%q, %q", a, b)
	}
	if key(sticky, lease.Choice{}, "", "u") == "" || key(Policy{Affinity: Conversations}, lease.Choice{}, "", "u") != "" {
		t.Error("users")
	}
	if key(Policy{}, lease.Choice{}, "s", "u")+key(sticky, lease.Choice{Alias: "a"}, "s", "u") != "" {
		t.Error("none is wanted")
	}
}
