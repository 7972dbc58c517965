package stack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Load sends requests at a steady rate, whether they are answered or not: what
// clients do.
type Load struct {
	// Gateways take turns; one whose port refuses a connection is passed over, as a
	// load balancer does.
	Gateways []*Gateway
	// Rate is requests per second.
	Rate int
	// Model and Stream are what is asked for.
	Model  string
	Stream bool
	// Timeout is a client's patience; one minute where zero.
	Timeout time.Duration
}

// Shot is one request of a load.
type Shot struct {
	// ID is the completion's, as the log has it; empty when there was no answer.
	ID      string
	Gateway int
	Status  int
	// Err is what went wrong on the way, an answer that was cut included.
	Err   error
	Body  string
	Began time.Time
	Took  time.Duration
}

// OK tells whether it was answered as it should.
func (s Shot) OK() bool { return s.Err == nil && s.Status == http.StatusOK }

// Running is a load that has begun.
type Running struct {
	stop    context.CancelFunc
	running sync.WaitGroup
	client  *http.Client

	mu    sync.Mutex
	shots []Shot
}

// Start begins a load; the test's end stops it, if nobody has.
func (l Load) Start(t testing.TB) *Running {
	t.Helper()
	body := l.body()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &Running{stop: stop, client: &http.Client{Transport: Judged(t, &http.Transport{MaxIdleConnsPerHost: 100})}}
	r.running.Go(func() {
		ticker := time.NewTicker(time.Second / time.Duration(l.Rate))
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			r.running.Go(func() { r.record(l.shoot(context.WithoutCancel(ctx), r.client, body, i)) })
		}
	})
	t.Cleanup(func() { r.Stop() })
	return r
}

// One sends one request and waits for its answer.
func (l Load) One(t testing.TB) Shot {
	client := &http.Client{Transport: Judged(t, &http.Transport{})}
	defer client.CloseIdleConnections()
	return l.shoot(context.WithoutCancel(t.Context()), client, l.body(), 0)
}

func (l Load) body() []byte {
	body, _ := json.Marshal(map[string]any{ // strings can't fail
		"model": l.Model, "stream": l.Stream, "messages": []map[string]string{{"role": "user", "content": "under load"}},
	})
	return body
}

// Stop waits until all requests are answered and answers them all, oldest first.
func (r *Running) Stop() []Shot {
	r.stop()
	r.running.Wait()
	r.client.CloseIdleConnections()
	return r.Shots()
}

// Shots are those that have ended, oldest first.
func (r *Running) Shots() []Shot {
	r.mu.Lock()
	defer r.mu.Unlock()
	shots := slices.Clone(r.shots)
	slices.SortFunc(shots, func(a, b Shot) int { return a.Began.Compare(b.Began) })
	return shots
}

func (r *Running) record(shot Shot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shots = append(r.shots, shot)
}

// shoot sends one request. A gateway that can't be connected to, or has left, is passed
// over.
func (l Load) shoot(ctx context.Context, client *http.Client, body []byte, i int) Shot {
	began := time.Now()
	shot := Shot{Began: began, Err: errors.New("there is no gateway")}
	for offset := range l.Gateways {
		n := (i + offset) % len(l.Gateways)
		if l.Gateways[n].left.Load() {
			continue
		}
		shot = l.send(ctx, client, l.Gateways[n], body)
		shot.Gateway, shot.Began, shot.Took = n, began, time.Since(began)
		if !refused(shot.Err) {
			break
		}
	}
	return shot
}

func (l Load) send(ctx context.Context, client *http.Client, gateway *Gateway, body []byte) Shot {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(l.Timeout, time.Minute))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway.URL+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return Shot{Err: err}
	}
	request.Header.Set("Authorization", "Bearer "+gateway.key())
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return Shot{Err: err}
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return Shot{ID: "chatcmpl-" + response.Header.Get("X-Request-Id"), Status: response.StatusCode, Err: err, Body: string(text)}
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
