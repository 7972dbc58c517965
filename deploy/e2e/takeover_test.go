package e2e_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// takenOver is the release whose data testdata/takeover has. They are made anew, which
// is never needed for the same release, by
//
//	go test ./e2e -run TestTakeover -make-takeover
var (
	takenOver    = "59b5e7e"
	makeTakeover = flag.Bool("make-takeover", false, "have the old release make testdata/takeover")
)

const (
	takeoverFolder = "testdata/takeover"
	// takeoverDump is what Redis held: its commands, as an append-only file has them.
	takeoverDump = takeoverFolder + "/redis.aof.gz"
	// takeoverFacts is what the old pair said of it.
	takeoverFacts = takeoverFolder + "/expected.json"
)

// takeoverFiles are the tokenstore's own, beside Redis. Their names are without the
// dot that two of them begin with.
var takeoverFiles = []string{"seal.key", "token", "token-list"}

// takeover is what is known of the data that an old pair has left.
type takeover struct {
	Release string `json:"release"`
	// Made is when the old pair was stopped, in ms.
	Made       int64  `json:"made"`
	AdminToken string `json:"admin_token"`
	// Asked are questions that the old pair answered last.
	Asked []asked `json:"asked"`
	// Serving are the fingerprints, by alias, of the secrets of tokens that can serve.
	Serving map[string]string `json:"serving"`
	// Trashed is a deleted token, as it was.
	Trashed json.RawMessage `json:"trashed"`
	// Repeated is a chat that was answered under an idempotency key.
	Repeated asked  `json:"repeated"`
	Key      string `json:"key"`
}

// asked is a question and its answer.
type asked struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Body   string `json:"body,omitempty"`
	// Answer is a text where it was no JSON.
	Answer json.RawMessage `json:"answer"`
}

// TestTakeover opens, with this version's pair, a Redis as an earlier release left it,
// and asks for everything that the earlier pair told of it: nothing is lost, and what
// was chosen, sealed, deleted or remembered works on.
func TestTakeover(t *testing.T) {
	t.Parallel()
	if *makeTakeover {
		leaveTakeover(t)
	}
	facts := readTakeover(t)
	s := stack.Start(t, stack.Options{Lazy: true, GatewayEnv: []string{"AUTH_TOKEN="}})
	s.StartRedis()
	shift := facts.shift(time.Now().Truncate(time.Millisecond))
	loadTakeover(t, s.RedisAddr, facts.move(readDump(t), shift))
	for _, name := range takeoverFiles {
		content, err := os.ReadFile(filepath.Join(takeoverFolder, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.Folder, hidden(name)), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.StartTokenstore()
	gateway := s.StartGateway()
	gateway.Key = facts.AdminToken
	s.WaitReady(gateway.Ops)

	t.Run("what the old pair said still holds", func(t *testing.T) {
		for _, question := range facts.Asked {
			path := facts.movedPath(question.Path, shift)
			got := send(t, gateway, question.Method, path, facts.AdminToken, question.Body, nil)
			if got.status != http.StatusOK {
				t.Errorf("%s: status %d: %s", path, got.status, excerpt(got.body))
				continue
			}
			for _, difference := range facts.lost(question.Answer, got.body, shift) {
				t.Errorf("%s: %s", path, difference)
			}
		}
	})
	t.Run("a remembered answer is given again", func(t *testing.T) {
		status, header, body := keyedBy(t, gateway, facts.AdminToken, facts.Key, facts.Repeated.Body)
		if status != http.StatusOK || header.Get("Idempotent-Replayed") != "true" {
			t.Fatalf("%d %v: %s", status, header, body)
		}
		for _, difference := range facts.lost(facts.Repeated.Answer, []byte(body), shift) {
			t.Error(difference)
		}
	})
	t.Run("a deleted token comes back as it was", func(t *testing.T) {
		var trashed struct {
			ID string `json:"id"`
		}
		decode(t, facts.Trashed, &trashed)
		got := send(t, gateway, http.MethodPost, "/admin/api/tokens/"+trashed.ID+"/restore", facts.AdminToken, "{}", nil)
		if got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		for _, difference := range facts.lost(facts.Trashed, got.body, shift) {
			t.Error(difference)
		}
	})
	t.Run("each token serves with its own secret", func(t *testing.T) {
		reach(t, s, gateway)
		for alias, fingerprint := range facts.Serving {
			s.Sim.Reset()
			status, _, body := postAs(t, gateway, facts.AdminToken, alias, chatBody("gpt-test", "after the takeover", false))
			if got := s.Sim.Ledger().Tokens[fingerprint].Requests; status != http.StatusOK || got != 1 {
				t.Errorf("%s: %d, its secret was seen %d times: %s", alias, status, got, body)
			}
		}
	})
	t.Run("they take turns, without those that were set aside", func(t *testing.T) {
		gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"rotation_strategy": "round_robin"})
		s.Sim.Reset()
		if failed := chatsBy(t, gateway, facts.AdminToken, 10*len(facts.Serving)); failed > 0 {
			t.Errorf("%d chats failed", failed)
		}
		seen := s.Sim.Ledger().Tokens
		for alias, fingerprint := range facts.Serving {
			if seen[fingerprint].Requests == 0 {
				t.Errorf("%s got no request", alias)
			}
		}
		if want := len(facts.Serving) + 1; len(seen) != want { // and the one that has come back
			t.Errorf("%d tokens served, not %d", len(seen), want)
		}
	})
}

// chatsBy sends n chats that any token may serve, and returns how many failed.
func chatsBy(t *testing.T, gateway *stack.Gateway, key string, n int) (failed int) {
	t.Helper()
	for range n {
		got := send(t, gateway, http.MethodPost, "/v1/chat/completions", key, chatBody("gpt-test", "any", false), nil)
		if got.status != http.StatusOK {
			failed++
		}
	}
	return failed
}

// reach gives the upstreams the address of this test's simulator. Nothing else of them
// changes.
func reach(t *testing.T, s *stack.Stack, gateway *stack.Gateway) {
	t.Helper()
	var list struct {
		Upstreams []map[string]any `json:"upstreams"`
	}
	decode(t, send(t, gateway, http.MethodGet, "/admin/api/upstreams", gateway.Key, "", nil).body, &list)
	for _, upstream := range list.Upstreams {
		name, _ := upstream["name"].(string)
		driver, _ := upstream["driver"].(string)
		address := s.SimURL
		if driver == "openai" {
			address += "/v1"
		}
		s.PutUpstream(name, map[string]any{
			"driver": driver, "base_url": address, "models": upstream["models"], "settings": upstream["settings"],
		})
	}
	s.Eventually("the upstreams are known", 10*time.Second, func() bool {
		status, _, _ := postAs(t, gateway, gateway.Key, "plain", chatBody("gpt-test", "reached?", false))
		return status == http.StatusOK
	})
}

// postAs sends a chat that the token with that alias is to serve.
func postAs(t *testing.T, gateway *stack.Gateway, key, alias, body string) (int, http.Header, string) {
	t.Helper()
	got := send(t, gateway, http.MethodPost, "/v1/chat/completions", key, body, map[string]string{"X-Carousel-Alias": alias})
	return got.status, got.header, string(got.body)
}

// hidden is the name that a file of the fixture has where it is used.
func hidden(name string) string {
	if strings.HasPrefix(name, "token") {
		return "." + name
	}
	return name
}

func readTakeover(t *testing.T) takeover {
	t.Helper()
	text, err := os.ReadFile(takeoverFacts)
	if err != nil {
		t.Fatal(err)
	}
	var facts takeover
	decode(t, text, &facts)
	return facts
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v in %s", err, excerpt(text))
	}
}

func readDump(t *testing.T) []byte {
	t.Helper()
	packed, err := os.Open(takeoverDump)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	dump, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return dump
}

// loadTakeover sends the commands of a dump to a server, as they stand there: any
// version understands them.
func loadTakeover(t *testing.T, addr string, dump []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	sent := make(chan error, 1)
	go func() { // ends with the last byte, or with conn
		_, err := conn.Write(append(slices.Clip(dump), "*2\r\n$4\r\nECHO\r\n$6\r\nloaded\r\n"...))
		sent <- err
	}()
	replies := bufio.NewScanner(conn)
	for replies.Scan() && replies.Text() != "loaded" {
		if strings.HasPrefix(replies.Text(), "-") {
			t.Fatalf("Redis refuses a command of the dump: %s", replies.Text())
		}
	}
	if err := replies.Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// horizon bounds what counts as a date that was ahead when the dump was made: the ends
// of coolings, of the trash and of remembered answers, and what expires by itself. What
// a token says of its own end is further away.
const horizon = 90 * 24 * time.Hour

// shift is how far dates of the dump have to be moved to be as far ahead as they were.
func (f takeover) shift(now time.Time) time.Duration { return now.Sub(time.UnixMilli(f.Made)) }

// statisticsShift is how far the log's statistics are moved: they are kept by the hour,
// and only for some time.
func statisticsShift(shift time.Duration) time.Duration { return shift.Truncate(time.Hour) }

func (f takeover) ahead(ms int64) bool { return ms > f.Made && ms < f.Made+horizon.Milliseconds() }

var (
	millis = regexp.MustCompile(`\b1\d{12}\b`)
	// units are the statistics of the log: the number of a minute or hour ends the key.
	units = regexp.MustCompile(`(:\{log\}:(minute|hour):)(\d+)`)
)

// move moves the dates in a dump. Numbers keep their length, so that nothing else of
// it has to change.
func (f takeover) move(dump []byte, shift time.Duration) []byte {
	dump = millis.ReplaceAllFunc(dump, func(number []byte) []byte {
		ms, _ := strconv.ParseInt(string(number), 10, 64) // digits
		if !f.ahead(ms) {
			return number
		}
		return strconv.AppendInt(nil, ms+shift.Milliseconds(), 10)
	})
	return units.ReplaceAllFunc(dump, func(key []byte) []byte {
		part := units.FindSubmatch(key)
		number, _ := strconv.ParseInt(string(part[3]), 10, 64) // digits
		length := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour}[string(part[2])]
		return strconv.AppendInt(bytes.Clone(part[1]), number+int64(statisticsShift(shift)/length), 10)
	})
}

// movedPath moves the span of a question for statistics.
func (f takeover) movedPath(path string, shift time.Duration) string {
	return dates.ReplaceAllStringFunc(path, func(text string) string { return movedDate(text, statisticsShift(shift)) })
}

var dates = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)

func movedDate(text string, shift time.Duration) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return at.Add(shift).Format(time.RFC3339Nano)
}

// passing are members of answers that tell of the moment.
var passing = []string{"in_flight"}

// lost says what of an old answer is not in the new one, which may tell more.
func (f takeover) lost(before, after []byte, shift time.Duration) []string {
	var then, now any
	_ = json.Unmarshal(before, &then) // JSON by its type
	if json.Unmarshal(after, &now) != nil {
		now = string(after) // a page or a stream
	}
	return f.differences("", then, now, shift)
}

func (f takeover) differences(at string, then, now any, shift time.Duration) []string {
	switch then := then.(type) {
	case map[string]any:
		object, _ := now.(map[string]any)
		var all []string
		for name, value := range then {
			if slices.Contains(passing, name) {
				continue
			}
			found, has := object[name]
			if !has {
				all = append(all, fmt.Sprintf("%s.%s is gone, it was %v", at, name, value))
				continue
			}
			all = append(all, f.differences(at+"."+name, value, found, shift)...)
		}
		return all
	case []any:
		list, _ := now.([]any)
		if at == ".entries" || at == "" { // the audit log goes on; an export may have more kinds of things
			list = f.among(list, then, shift)
		}
		if len(list) != len(then) {
			return []string{fmt.Sprintf("%s: %d of %d are left", at, len(list), len(then))}
		}
		var all []string
		for i := range then {
			all = append(all, f.differences(fmt.Sprintf("%s[%d]", at, i), then[i], list[i], shift)...)
		}
		return all
	case string:
		text, _ := now.(string)
		switch {
		case timeless(text) == timeless(then):
			return nil
		case f.dateAhead(then) && text == movedDate(then, shift):
			return nil
		case strings.HasSuffix(at, ".start") && text == movedDate(then, statisticsShift(shift)):
			return nil
		}
	default:
		if then == now {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s was %v, now it is %v", at, then, now)}
}

// among leaves out what a list has between the elements of then, which keep their order.
func (f takeover) among(list, then []any, shift time.Duration) []any {
	var kept []any
	for _, each := range list {
		if len(kept) < len(then) && len(f.differences("[]", then[len(kept)], each, shift)) == 0 {
			kept = append(kept, each)
		}
	}
	return kept
}

// stamped is a checksum as it is shown: behind the time of showing.
var stamped = regexp.MustCompile(`[\w-]{8}([0-9a-f]{64}/[0-9a-f]{64})`)

func timeless(text string) string { return stamped.ReplaceAllString(text, "$1") }

func (f takeover) dateAhead(text string) bool {
	at, err := time.Parse(time.RFC3339Nano, text)
	return err == nil && f.ahead(at.UnixMilli())
}

// A takeover that lost something is noticed.
func TestTakeoverNoticesWhatIsLost(t *testing.T) {
	t.Parallel()
	facts := takeover{Made: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMilli()}
	const before = `{"tokens": [{"alias": "a", "cap": 3, "tags": ["x"], "cooling_until": "2026-01-02T03:14:05Z", "in_flight": 1}]}`
	for name, c := range map[string]struct {
		after string
		lost  bool
	}{
		"the same, moved":      {`{"tokens": [{"alias": "a", "cap": 3, "tags": ["x"], "cooling_until": "2026-01-02T05:14:05Z", "in_flight": 0}]}`, false},
		"more is told":         {`{"more": 1, "tokens": [{"alias": "a", "cap": 3, "new": 1, "tags": ["x"], "cooling_until": "2026-01-02T05:14:05Z"}]}`, false},
		"a token is gone":      {`{"tokens": []}`, true},
		"a member is gone":     {`{"tokens": [{"alias": "a", "tags": ["x"], "cooling_until": "2026-01-02T05:14:05Z"}]}`, true},
		"a number is another":  {`{"tokens": [{"alias": "a", "cap": 0, "tags": ["x"], "cooling_until": "2026-01-02T05:14:05Z"}]}`, true},
		"it cools no longer":   {`{"tokens": [{"alias": "a", "cap": 3, "tags": ["x"], "cooling_until": null}]}`, true},
		"it is no list":        {`{"tokens": null}`, true},
		"something else is it": {`[]`, true},
	} {
		if got := facts.lost([]byte(`[`+before+`]`), []byte(`[{}, `+c.after+`, {}]`), 2*time.Hour); (len(got) > 0) != c.lost {
			t.Errorf("%s, in a list: %v", name, got)
		}
		if got := facts.lost([]byte(before), []byte(c.after), 2*time.Hour); (len(got) > 0) != c.lost {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The fixture has all that there is to lose.
func TestTakeoverIsComplete(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(takeoverFacts)
	if err != nil {
		t.Fatal(err)
	}
	dump := readDump(t)
	for _, state := range []string{"ready", "quarantined", "cooling", "parked", "expired", "disabled"} {
		if !bytes.Contains(text, []byte(`"state":"`+state+`"`)) {
			t.Errorf("no token is %s", state)
		}
	}
	for _, kind := range []string{
		"ids", "token:", "trash:", "order:", "cooling:", "clock", "history:", "alias", "fingerprint", "upstreams", "settings", "pages",
		"audit", "admin_token", "imported", "listed", "entries", "prompts", "minute:", "hour:", "totals", "answer:",
	} {
		if !regexp.MustCompile(`\r\nc1:\{\w+\}:` + kind).Match(dump) {
			t.Errorf("Redis holds no key %q", kind)
		}
	}
	for _, field := range []string{"account", "m:gpt-4o-mini", "phase", "last_error", "expires"} {
		if !bytes.Contains(dump, []byte("\r\n"+field+"\r\n")) {
			t.Errorf("no token has %q", field)
		}
	}
}
