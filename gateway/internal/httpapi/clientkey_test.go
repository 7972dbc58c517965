package httpapi_test

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/dialect/responses"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/idempotency"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// keyRing has client keys by their names, which are their ids, too.
type keyRing map[string]*caller.Key

func (k keyRing) Find(_ context.Context, secret caller.Secret, _ bool) (*caller.Key, time.Time, error) {
	if key := k[secret.ID]; key != nil {
		return key, time.Time{}, nil
	}
	return nil, time.Time{}, caller.ErrUnknownKey
}

// idOf is a key's id by its name.
func idOf(name string) string { return (name + strings.Repeat("a", 16))[:16] }

// bearerOf is how the holder of a key sends it.
func bearerOf(name string) string {
	return "Bearer sk-carousel-" + idOf(name) + "-" + strings.Repeat("s", 43)
}

func (k keyRing) with(name string, key caller.Key) keyRing {
	key.ID, key.Name = idOf(name), name
	k[key.ID] = &key
	return k
}

// known has the port know the keys of the ring, and speak all three dialects.
func (k keyRing) known(d *httpapi.Deps) {
	gate := auth.New(secret.New("right"), nil)
	gate.UseKeys(k)
	d.Gate = gate
	d.Dialects = []dialect.Dialect{openai.API{}, anthropic.API{}, responses.API{}}
	d.Tokens = counts(7)
}

// boaster answers chats as its relay does, and what is passed on with a header of limits.
type boaster struct{ relay }

func (boaster) Carry(context.Context, *carried.Request, caller.Caller, lease.Choice) iter.Seq2[carried.Piece, error] {
	head := carried.Head{Status: 200, Header: http.Header{"X-Ratelimit-Limit-Requests": {"999"}, "X-Ratelimit-Limit-Images": {"9"}}, Length: -1}
	return func(yield func(carried.Piece, error) bool) {
		_ = yield(carried.Piece{Head: &head}, nil) && yield(carried.Piece{Bytes: []byte(`{}`)}, nil)
	}
}

// boasting is greeting by an upstream that tells the limits of its token.
func boasting() []chat.Event {
	first := greeting[0]
	first.Begin = &chat.Beginning{Header: http.Header{"X-Ratelimit-Remaining-Tokens": {"999"}, "Anthropic-Ratelimit-Requests-Remaining": {"999"}, "X-Upstream-Request-Id": {"up"}}}
	return append([]chat.Event{first}, greeting[1:]...)
}

// limitsTold are the headers of limits in an answer.
func limitsTold(header http.Header) map[string]string {
	told := map[string]string{}
	for name := range header {
		if strings.Contains(name, "Ratelimit") {
			told[strings.ToLower(name)] = header.Get(name)
		}
	}
	return told
}

// Every answer to a key with limits by the minute tells these, and nothing of those of an
// upstream's token; in Messages by the vendor's names, too. Answers to others are as they were.
func TestAnswersTellTheLimitsOfTheKey(t *testing.T) {
	t.Parallel()
	minute := func(unit caller.Unit, amount uint64) caller.Limit {
		return caller.Limit{Unit: unit, Period: caller.Minute, Amount: amount}
	}
	budget := caller.Limit{Unit: caller.USD, Period: caller.Day, Amount: 5}
	ring := keyRing{}.
		with("both", caller.Key{Limits: []caller.Limit{minute(caller.Requests, 60), budget, minute(caller.Tokens, 1000), {Unit: caller.Requests, Period: caller.AtOnce, Amount: 2}}}).
		with("used", caller.Key{Limits: []caller.Limit{minute(caller.Requests, 60)}}).
		with("fresh", caller.Key{Limits: []caller.Limit{minute(caller.Requests, 60)}}).
		with("budget", caller.Key{Limits: []caller.Limit{budget}}).
		with("free", caller.Key{}).
		with("disabled", caller.Key{Disabled: true, Limits: []caller.Limit{minute(caller.Requests, 60)}})
	standing := func(id string) []caller.Standing {
		switch id {
		case idOf("used"):
			return []caller.Standing{{Limit: minute(caller.Requests, 60), Used: 60, RenewsAt: time.Now().Add(61 * time.Second)}}
		case idOf("both"):
		default:
			return nil
		}
		return []caller.Standing{
			{Limit: budget, Used: 4},
			{Limit: minute(caller.Requests, 60), Used: 10, Reserved: 1},
			{Limit: minute(caller.Tokens, 1000), Used: 2000, RenewsAt: time.Now().Add(-time.Second)},
		}
	}
	usual := map[string]string{
		"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "49", "x-ratelimit-reset-requests": "1m0s",
		"x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0s",
	}
	vendors := maps.Clone(usual)
	for name, value := range map[string]string{"requests-limit": "60", "requests-remaining": "49", "tokens-limit": "1000", "tokens-remaining": "0"} {
		vendors["anthropic-ratelimit-"+name] = value
	}
	none, upstreams := map[string]string{}, map[string]string{"x-ratelimit-remaining-tokens": "999", "anthropic-ratelimit-requests-remaining": "999"}
	const response = `{"model":"gpt-4o","input":"Hi"}`
	for name, c := range map[string]struct {
		key, method, path, body string
		status                  int
		want                    map[string]string
	}{
		"a chat":                 {"both", "POST", "/v1/chat/completions", hello, 200, usual},
		"a streamed chat":        {"both", "POST", "/v1/chat/completions", helloStream, 200, usual},
		"a message":              {"both", "POST", "/v1/messages", message, 200, vendors},
		"a streamed message":     {"both", "POST", "/v1/messages", messageStream, 200, vendors},
		"a response":             {"both", "POST", "/v1/responses", response, 200, usual},
		"a streamed response":    {"both", "POST", "/v1/responses", strings.Replace(response, "{", `{"stream":true,`, 1), 200, usual},
		"a count":                {"both", "POST", "/v1/messages/count_tokens", message, 200, vendors},
		"a side endpoint":        {"both", "POST", "/v1/embeddings", `{"model":"m","input":"x"}`, 200, usual},
		"models":                 {"both", "GET", "/v1/models", "", 200, usual},
		"an error":               {"both", "POST", "/v1/chat/completions", "{", 400, usual},
		"an error of Messages":   {"both", "POST", "/v1/messages", "{", 400, vendors},
		"all used a moment ago":  {"used", "POST", "/v1/chat/completions", hello, 200, map[string]string{"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m0s"}},
		"nothing known":          {"fresh", "POST", "/v1/chat/completions", hello, 200, map[string]string{"x-ratelimit-limit-requests": "60"}},
		"budgets alone":          {"budget", "POST", "/v1/chat/completions", helloStream, 200, none},
		"no limits":              {"free", "POST", "/v1/chat/completions", hello, 200, upstreams},
		"no limits, and a side":  {"free", "POST", "/v1/embeddings", `{"model":"m","input":"x"}`, 200, map[string]string{"x-ratelimit-limit-requests": "999", "x-ratelimit-limit-images": "9"}},
		"a key that is disabled": {"disabled", "POST", "/v1/chat/completions", hello, 401, none},
		"a key that is none":     {"unknown", "POST", "/v1/chat/completions", hello, 401, none},
	} {
		synctest.Test(t, func(t *testing.T) { // where no time passes
			e := newEdge(t, boaster{says(nil, boasting()...)}, func(d *httpapi.Deps) {
				ring.known(d)
				d.Standing = standing
			})
			w := do(t, e, request(t, c.method, c.path, bearerOf(c.key), c.body))
			got := limitsTold(w.Header())
			for _, unit := range []string{"requests", "tokens"} { // of the present moment
				reset := "anthropic-ratelimit-" + unit + "-reset"
				if at, err := time.Parse(time.RFC3339, got[reset]); got[reset] != "" && (err != nil || time.Since(at) > time.Minute) {
					t.Errorf("%s: %s: %q", name, reset, got[reset])
				}
				delete(got, reset)
			}
			if w.Code != c.status || !maps.Equal(got, c.want) {
				t.Errorf("%s: %d %v\nwant %d %v", name, w.Code, got, c.status, c.want)
			}
		})
	}
}

// A limit that is met is told in the headers of its refusal as well, in each dialect's own words.
func TestRefusalsOfLimits(t *testing.T) {
	t.Parallel()
	ring := keyRing{}.with("k", caller.Key{Limits: []caller.Limit{{Unit: caller.Requests, Period: caller.Minute, Amount: 5}}})
	limited := &chat.Error{Kind: chat.KeyLimited, Message: "5 requests a minute", RetryAfter: 20 * time.Second}
	spent := &chat.Error{Kind: chat.KeySpent, Message: "1 USD a day", RetryAfter: time.Hour}
	for name, c := range map[string]struct {
		failure *chat.Error
		path    string
		body    string
		kind    string
		header  map[string]string
		reason  string
	}{
		"limited":              {limited, "/v1/chat/completions", hello, "rate_limit_error", map[string]string{"Retry-After": "20", "X-Should-Retry": ""}, "limited"},
		"limited, streamed":    {limited, "/v1/chat/completions", helloStream, "rate_limit_error", map[string]string{"Retry-After": "20", "X-Should-Retry": ""}, "limited"},
		"limited, in Messages": {limited, "/v1/messages", message, "rate_limit_error", map[string]string{"Retry-After": "20", "X-Should-Retry": ""}, "limited"},
		"spent":                {spent, "/v1/chat/completions", hello, "insufficient_quota", map[string]string{"Retry-After": "3600", "X-Should-Retry": "false"}, "spent"},
		"spent, in Messages":   {spent, "/v1/messages", messageStream, "rate_limit_error", map[string]string{"Retry-After": "3600", "X-Should-Retry": "false"}, "spent"},
		"spent, in Responses":  {spent, "/v1/responses", `{"model":"m","input":"Hi","stream":true}`, "insufficient_quota", map[string]string{"Retry-After": "3600", "X-Should-Retry": "false"}, "spent"},
	} {
		e := newEdge(t, says(c.failure), ring.known)
		w := do(t, e, request(t, "POST", c.path, bearerOf("k"), c.body))
		if w.Code != 429 || !strings.Contains(w.Body.String(), `"type":"`+c.kind+`"`) || w.Header().Get("X-Ratelimit-Limit-Requests") != "5" {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
		for header, want := range c.header {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s %q, want %q", name, header, got, want)
			}
		}
		if got := e.counted(t)["carousel_gateway_key_refusals_total,"+c.reason]; got != 1 {
			t.Errorf("%s: counted %v", name, got)
		}
	}
}

// A key's holder is told what it may do, and others that they are none.
func TestTheHolderOfAKeyIsToldOfIt(t *testing.T) {
	t.Parallel()
	ring := keyRing{}.with("k", caller.Key{}).with("gone", caller.Key{}).with("disabled", caller.Key{Disabled: true})
	renews := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	ofK := &tokenstorev1.GetKeyResponse{
		Key: &tokenstorev1.ClientKey{Id: idOf("k"), Name: "k", Limits: []*tokenstorev1.KeyLimit{{Unit: tokenstorev1.KeyUnit_KEY_UNIT_USD, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH, Amount: 2e12}}},
		Standing: []*tokenstorev1.KeyStanding{{
			Limit: &tokenstorev1.KeyLimit{Unit: tokenstorev1.KeyUnit_KEY_UNIT_USD, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH, Amount: 2e12},
			Used:  5e11, RenewsAt: timestamppb.New(renews),
		}},
	}
	show := func(_ context.Context, id string) (*tokenstorev1.GetKeyResponse, error) {
		if id == ofK.GetKey().GetId() {
			return ofK, nil
		}
		return nil, chat.Errorf(chat.NotFound, "there is no key %s", id)
	}
	for name, c := range map[string]struct {
		authorization, prefix string
		status                int
		says                  string
	}{
		"its holder":              {bearerOf("k"), "", 200, `"left":[`},
		"its holder, elsewhere":   {bearerOf("k"), "/api", 200, `"left":[`},
		"of one deleted just now": {bearerOf("gone"), "", 404, "there is no key"},
		"of one that is disabled": {bearerOf("disabled"), "", 401, "is disabled"},
		"the admin":               {key, "", 400, "the admin token was sent"},
		"who brings a token":      {ownKey(), "", 400, "a token of your own"},
		"nobody":                  {"", "", 401, "no key was sent"},
		"a guess":                 {bearerOf("guess"), "", 401, "the key is wrong"},
	} {
		e := newEdge(t, says(nil), func(d *httpapi.Deps) {
			ring.known(d)
			allowOwn(d)
			d.Key, d.Options.RoutePrefix = show, c.prefix
		})
		w := do(t, e, request(t, "GET", c.prefix+"/v1/key", c.authorization, ""))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if c.status != 200 {
			continue
		}
		var got struct {
			ID   string
			Left []struct {
				Limit, Unit, Used, Left string
				RenewsAt                time.Time `json:"renews_at"`
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.ID != idOf("k") || len(got.Left) != 1 {
			t.Fatalf("%s: %v %s", name, err, w.Body)
		}
		if left := got.Left[0]; left.Limit != "budget" || left.Unit != "usd" || left.Used != "0.50" || left.Left != "1.50" || !left.RenewsAt.Equal(renews) {
			t.Errorf("%s: %s", name, w.Body)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, w.Header())
		}
	}
}

// A key is shown the models that it may use; everybody else, all.
func TestModelsOfAKey(t *testing.T) {
	t.Parallel()
	ring := keyRing{}.with("some", caller.Key{Models: []string{"vendor/*"}}).with("none", caller.Key{Models: []string{"o3"}}).with("all", caller.Key{})
	for _, c := range []struct {
		authorization string
		models        []string
	}{
		{bearerOf("some"), []string{"vendor/model"}},
		{bearerOf("none"), nil},
		{bearerOf("all"), []string{"gpt-4o", "vendor/model"}},
		{key, []string{"gpt-4o", "vendor/model"}},
		{"", []string{"gpt-4o", "vendor/model"}},
		{"Bearer whatever", []string{"gpt-4o", "vendor/model"}},
	} {
		e := newEdge(t, says(nil), ring.known)
		var got struct{ Data []struct{ ID string } }
		w := do(t, e, request(t, "GET", "/v1/models", c.authorization, ""))
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got.Data == nil {
			t.Fatalf("%v %d %s", err, w.Code, w.Body)
		}
		var ids []string
		for _, model := range got.Data {
			ids = append(ids, model.ID)
		}
		if !slices.Equal(ids, c.models) {
			t.Errorf("%q: %v", c.authorization, ids)
		}
		for _, id := range []string{"gpt-4o", "vendor/model"} {
			w := do(t, e, request(t, "GET", "/v1/models/"+id, c.authorization, ""))
			if found := w.Code == 200; found != slices.Contains(c.models, id) || !found && w.Code != 404 {
				t.Errorf("%q, %s: %d %s", c.authorization, id, w.Code, w.Body)
			}
		}
	}
	e := newEdge(t, says(nil), ring.known)
	for i := range 9 {
		want := 401
		if i == 8 {
			want = 429
		}
		if w := do(t, e, request(t, "GET", "/v1/models", bearerOf("guess"), "")); w.Code != want {
			t.Errorf("guess %d: %d", i, w.Code)
		}
	}
}

// A repeated idempotency key is its caller's own, whichever of its secrets a client key has.
func TestIdempotencyKeysAreTheCallers(t *testing.T) {
	t.Parallel()
	ring := keyRing{}.with("one", caller.Key{}).with("other", caller.Key{})
	var asked int
	counted := relay(func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) {
		asked++
		says(nil, greeting...)(ctx, req, yield)
	})
	e := newEdge(t, counted, func(d *httpapi.Deps) {
		ring.known(d)
		allowOwn(d)
		d.Answers = idempotency.New(newLonely(), slog.New(slog.DiscardHandler))
	})
	rotated := strings.TrimSuffix(bearerOf("one"), "s") + "t"
	for _, c := range []struct {
		who, authorization string
		replayed           bool
	}{
		{"one", bearerOf("one"), false},
		{"one, again", bearerOf("one"), true},
		{"one, with another secret", rotated, true},
		{"another", bearerOf("other"), false},
		{"the admin", key, false},
		{"who brings a token", ownKey(), false},
		{"the admin, again", key, true},
		{"another, again", bearerOf("other"), true},
	} {
		before := asked
		w := do(t, e, keyed(t, c.authorization, "k", hello))
		if replayed := w.Header().Get("Idempotent-Replayed") != ""; w.Code != 200 || replayed != c.replayed || (asked == before) != c.replayed {
			t.Errorf("%s: %d, replayed %t, asked %d", c.who, w.Code, replayed, asked-before)
		}
	}
}

// What a client key's answers leave behind is that key's, and requests about it are, too.
func TestKeptAnswersAreTheKeys(t *testing.T) {
	t.Parallel()
	ring := keyRing{}.with("one", caller.Key{}).with("other", caller.Key{})
	for _, native := range []bool{false, true} {
		s := newStudy(t, func(d *httpapi.Deps) {
			dialects := d.Dialects
			ring.known(d)
			d.Dialects = dialects
		})
		s.relay.native = native
		first := answered(t, s.write(t, bearerOf("one"), entry{Model: "m"}))
		for _, c := range []struct {
			authorization string
			found         bool
		}{{bearerOf("other"), false}, {key, false}, {bearerOf("one"), true}} {
			w := do(t, s, request(t, "GET", "/v1/diary/"+first.ID, c.authorization, ""))
			if found := w.Code == 200; found != c.found {
				t.Errorf("native %t: %q: %d %s", native, c.authorization, w.Code, w.Body)
			}
		}
		if native && s.relay.from.KeyName() != "one" {
			t.Errorf("asked of the upstream for %+v", s.relay.from)
		}
	}
}

// The one line of a request says who asked and how that was served; metrics count kinds of callers
// and never keys.
func TestTheLogNamesTheCaller(t *testing.T) {
	t.Parallel()
	ring := keyRing{}.with("ci", caller.Key{}).with("old", caller.Key{Disabled: true}).with("narrow", caller.Key{Models: []string{"o3"}})
	for name, c := range map[string]struct {
		authorization string
		failure       error
		want          map[string]any
		caller        string
		reason        string
	}{
		"a client key":      {bearerOf("ci"), nil, map[string]any{"caller": "key", "key_id": idOf("ci"), "key_name": "ci", "upstream": "cursor", "token_id": "t1", "attempts": 2.0, "class": "success"}, "key", ""},
		"the admin":         {key, nil, map[string]any{"caller": "admin", "upstream": "cursor", "token_id": "t1", "attempts": 2.0, "class": "success"}, "admin", ""},
		"an own token":      {ownKey(), nil, map[string]any{"caller": "own", "upstream": "cursor", "token_id": "t1", "attempts": 2.0, "class": "success"}, "own", ""},
		"a disabled key":    {bearerOf("old"), nil, map[string]any{"caller": "key", "key_id": idOf("old"), "key_name": "old"}, "key", "disabled"},
		"nobody's":          {bearerOf("guess"), nil, map[string]any{}, "", "wrong"},
		"a wrong one":       {"Bearer wrong", nil, map[string]any{}, "", "wrong"},
		"no key":            {"", nil, map[string]any{}, "", ""},
		"a forbidden model": {bearerOf("narrow"), chat.Errorf(chat.ModelNotSupported, "no"), map[string]any{"caller": "key", "key_id": idOf("narrow"), "key_name": "narrow", "upstream": "cursor", "token_id": "t1", "attempts": 2.0, "class": "success"}, "key", "model"},
		"unusable by now":   {bearerOf("ci"), chat.Errorf(chat.Unauthenticated, "no"), map[string]any{"caller": "key", "key_id": idOf("ci"), "key_name": "ci", "upstream": "cursor", "token_id": "t1", "attempts": 2.0, "class": "success"}, "key", "unusable"},
		"an unknown model":  {bearerOf("ci"), chat.Errorf(chat.ModelNotSupported, "no"), map[string]any{"caller": "key", "key_id": idOf("ci"), "key_name": "ci", "upstream": "cursor", "token_id": "t1", "attempts": 2.0, "class": "success"}, "key", ""},
	} {
		noting := relay(func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) {
			accesslog.Note(ctx, accesslog.Served{Upstream: "cursor", TokenID: "t1", Attempts: 2, Class: "success"})
			if c.failure != nil {
				yield(chat.Event{}, c.failure)
				return
			}
			says(nil, greeting...)(ctx, req, yield)
		})
		e := newEdge(t, noting, func(d *httpapi.Deps) {
			ring.known(d)
			allowOwn(d)
		})
		do(t, e, request(t, "POST", "/v1/chat/completions", c.authorization, hello))
		var line map[string]any
		if err := json.Unmarshal([]byte(e.log.String()), &line); err != nil {
			t.Fatalf("%s: %v in %s", name, err, e.log)
		}
		got := map[string]any{}
		for _, field := range []string{"caller", "key_id", "key_name", "upstream", "token_id", "attempts", "class"} {
			if value, said := line[field]; said {
				got[field] = value
			}
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if strings.Contains(e.log.String(), "ssss") {
			t.Errorf("%s: the secret is in the log", name)
		}
		counted, total := e.counted(t), 0.0
		for series, value := range counted {
			if strings.HasPrefix(series, "carousel_gateway_caller_requests_total,") || strings.HasPrefix(series, "carousel_gateway_key_refusals_total,") {
				total += value
			}
			if strings.Contains(series, idOf("ci")) || strings.Contains(series, "ci,") {
				t.Errorf("%s: a series of a key: %s", name, series)
			}
		}
		want := 0.0
		if c.caller != "" {
			want += counted["carousel_gateway_caller_requests_total,"+c.caller]
		}
		if c.reason != "" {
			want += counted["carousel_gateway_key_refusals_total,"+c.reason]
		}
		expected := 0.0
		for _, label := range []string{c.caller, c.reason} {
			if label != "" {
				expected++
			}
		}
		if total != expected || want != expected {
			t.Errorf("%s: counted %v of %v, want %v", name, want, total, expected)
		}
	}
}

// announced says when something has been written.
type announced struct {
	*httptest.ResponseRecorder
	once    sync.Once
	written chan struct{}
}

func (a *announced) Write(p []byte) (int, error) {
	defer a.once.Do(func() { close(a.written) })
	return a.ResponseRecorder.Write(p)
}

// A heartbeat may be the first of an answer that is sent: it tells the limits, too.
func TestLimitsBeforeTheFirstEvent(t *testing.T) {
	t.Parallel()
	ring := keyRing{}.with("k", caller.Key{Limits: []caller.Limit{{Unit: caller.Requests, Period: caller.Minute, Amount: 5}}})
	w := &announced{ResponseRecorder: httptest.NewRecorder(), written: make(chan struct{})}
	waiting := relay(func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) {
		<-w.written
		says(nil, greeting...)(ctx, req, yield)
	})
	e := newEdge(t, waiting, func(d *httpapi.Deps) {
		ring.known(d)
		d.Options.Stream.Heartbeat = time.Millisecond
	})
	e.ServeHTTP(w, request(t, "POST", "/v1/chat/completions", bearerOf("k"), helloStream))
	if !strings.HasPrefix(w.Body.String(), ": still here") || w.Result().Header.Get("X-Ratelimit-Limit-Requests") != "5" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}
