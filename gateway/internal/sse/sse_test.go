package sse_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/sse"
	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// client is a ResponseWriter that counts flushes and remembers the deadline.
type client struct {
	header http.Header

	mu       sync.Mutex
	text     strings.Builder
	flushes  int
	deadline time.Time
	armings  int
	fail     error
}

func newClient() *client { return &client{header: http.Header{}} }

func (c *client) Header() http.Header { return c.header }
func (c *client) WriteHeader(int)     {}
func (c *client) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return 0, c.fail
	}
	return c.text.Write(p)
}

func (c *client) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushes++
}

func (c *client) got() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

func (c *client) hangUp(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

func (c *client) SetWriteDeadline(at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline, c.armings = at, c.armings+1
	return nil
}

func TestFrames(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		name, payload, want string
	}{
		"data":            {"", `{"a":1}`, "data: {\"a\":1}\n\n"},
		"named":           {"error", "x", "event: error\ndata: x\n\n"},
		"empty":           {"", "", "data: \n\n"},
		"lines":           {"", "a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n\n"},
		"ends in a break": {"", "a\n", "data: a\ndata: \n\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			stream := sse.Start(w, sse.Options{})
			if err := stream.Event(c.name, []byte(c.payload), false); err != nil {
				t.Fatal(err)
			}
			if err := stream.Close(); err != nil {
				t.Fatal(err)
			}
			if got := w.Body.String(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if stream.Sent() != int64(len(c.want)) {
				t.Errorf("sent %d of %d", stream.Sent(), len(c.want))
			}
			for key, want := range map[string]string{
				"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no",
			} {
				if got := w.Header().Get(key); got != want {
					t.Errorf("%s: %q, want %q", key, got, want)
				}
			}
		})
	}
}

func TestBurstsShareAFlush(t *testing.T) {
	t.Parallel()
	c := newClient()
	stream := sse.Start(c, sse.Options{})
	_ = stream.Data([]byte("1"), true)
	_ = stream.Data([]byte("2"), true)
	if c.flushes != 0 {
		t.Fatalf("%d flushes while more is pending", c.flushes)
	}
	_ = stream.Data([]byte("3"), false)
	if c.flushes != 1 || strings.Count(c.got(), "data: ") != 3 {
		t.Fatalf("%d flushes of %q", c.flushes, c.got())
	}
	_ = stream.Data([]byte(strings.Repeat("x", 20<<10)), true)
	if c.flushes != 2 {
		t.Error("a burst larger than the buffer was held back")
	}
	_ = stream.Data([]byte("held"), true)
	if err := stream.Close(); err != nil || !strings.HasSuffix(c.got(), "data: held\n\n") {
		t.Errorf("close: %v; %q", err, c.got()[len(c.got())-20:])
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	if err := stream.Data([]byte("late"), false); err != nil || strings.Contains(c.got(), "late") {
		t.Error("a closed stream took an event")
	}
}

func TestHeartbeatInSilenceOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient()
		stream := sse.Start(c, sse.Options{Heartbeat: 15 * time.Second})
		for range 10 { // an event every 10 s: never silent long enough
			time.Sleep(10 * time.Second)
			_ = stream.Data([]byte("x"), false)
		}
		synctest.Wait()
		if beats := strings.Count(c.got(), ": still here\n"); beats != 0 {
			t.Fatalf("%d heartbeats in a busy stream", beats)
		}
		time.Sleep(46 * time.Second)
		synctest.Wait()
		if beats := strings.Count(c.got(), ": still here\n"); beats != 3 {
			t.Fatalf("%d heartbeats in 46 s of silence", beats)
		}
		_ = stream.Close()
		before := len(c.got())
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(c.got()) != before {
			t.Error("a heartbeat after Close")
		}
	})
}

func TestHeartbeatSendsWhatIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient()
		stream := sse.Start(c, sse.Options{})
		_ = stream.Data([]byte("held"), true)
		time.Sleep(16 * time.Second)
		synctest.Wait()
		if got := c.got(); got != "data: held\n\n: still here\n" {
			t.Errorf("got %q", got)
		}
		_ = stream.Close()
	})
}

func TestWriteDeadlineRolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient()
		stream := sse.Start(c, sse.Options{WriteTimeout: 30 * time.Second})
		for range 600 { // a minute of events
			time.Sleep(100 * time.Millisecond)
			_ = stream.Data([]byte("x"), false)
			if left := time.Until(c.deadline); left < 24*time.Second || left > 30*time.Second {
				t.Fatalf("deadline in %s", left)
			}
		}
		if c.armings > 13 {
			t.Errorf("deadline set %d times in a minute", c.armings)
		}
		_ = stream.Close()
	})
}

func TestDeadClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient()
		stream := sse.Start(c, sse.Options{})
		_ = stream.Data([]byte("x"), false)
		broken := errors.New("broken pipe")
		c.hangUp(broken)
		time.Sleep(16 * time.Second) // a heartbeat finds it out
		synctest.Wait()
		if err := stream.Data([]byte("y"), false); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		if err := stream.Close(); !errors.Is(err, broken) {
			t.Errorf("close: %v", err)
		}
	})
}

// discard is the cheapest possible client, so that the benchmark shows what the
// Writer itself allocates.
type discard struct{ header http.Header }

func (d discard) Header() http.Header              { return d.header }
func (discard) WriteHeader(int)                    {}
func (discard) Write(p []byte) (int, error)        { return len(p), nil }
func (discard) Flush()                             {}
func (discard) SetWriteDeadline(_ time.Time) error { return nil }

var chunk = []byte(`{"id":"chatcmpl-0123456789abcdef0123456789abcdef","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}`)

func TestEventsDoNotAllocate(t *testing.T) {
	stream := sse.Start(discard{http.Header{}}, sse.Options{})
	defer func() { _ = stream.Close() }()
	if n := testing.AllocsPerRun(1000, func() { _ = stream.Data(chunk, false) }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

func BenchmarkData(b *testing.B) {
	stream := sse.Start(discard{http.Header{}}, sse.Options{})
	defer func() { _ = stream.Close() }()
	b.ReportAllocs()
	for b.Loop() {
		_ = stream.Data(chunk, false)
	}
}

func BenchmarkStream(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		stream := sse.Start(discard{http.Header{}}, sse.Options{})
		_ = stream.Data(chunk, false)
		_ = stream.Close()
	}
}
