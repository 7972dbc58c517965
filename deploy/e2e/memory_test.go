package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// Twenty bodies of 15 MiB at once, forty that unpack to as much, and ten of 31 MiB that are
// translated for their upstream, are served or told to come again; the gateway's memory
// stays within a few times what it may use for bodies.
func TestMemoryInFlightIsBounded(t *testing.T) {
	const (
		mebibyte = 1 << 20
		budget   = 128
		most     = 3 * budget
	)
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("memory is read from /proc")
	}
	s := stack.Start(t, stack.Options{Gateways: 1, GatewayEnv: []string{fmt.Sprintf("BODY_MEMORY_MB=%d", budget)}})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(2 * time.Second):
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"good day","refusal":null},"finish_reason":"stop"}]}`)
	}))
	t.Cleanup(slow.Close)
	s.PutUpstream("memory", map[string]any{"driver": "openai", "base_url": slow.URL + "/v1", "models": []string{"memory"}})
	s.AddTokens("memory", "m", 2, 0)
	bodyOf := func(size int) []byte {
		return []byte(`{"model":"memory","max_tokens":9,"messages":[{"role":"user","content":"` + strings.Repeat(`a line of text\n`, size/16) + `"}]}`)
	}
	body := bodyOf(15 * mebibyte)
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = writer.Write(body)
	_ = writer.Close()

	served, later := 0, 0
	var mu sync.Mutex
	send := func(path string, body []byte, coding string) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Gateways[0].URL+path, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		request.Header.Set("Authorization", "Bearer "+stack.AdminToken)
		request.Header.Set("Content-Encoding", coding)
		response, err := stack.Client(t).Do(request)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = response.Body.Close() }()
		text, _ := io.ReadAll(response.Body)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case response.StatusCode == http.StatusOK && bytes.Contains(text, []byte("good day")):
			served++
		case slices.Contains([]int{http.StatusServiceUnavailable, 529}, response.StatusCode) && response.Header.Get("Retry-After") != "" && bytes.Contains(text, []byte("overloaded")):
			later++
		default:
			t.Errorf("%d %.300s", response.StatusCode, text)
		}
	}
	for _, wave := range []struct {
		requests int
		path     string
		body     []byte
		coding   string
	}{
		{20, "/v1/chat/completions", body, "identity"},
		{40, "/v1/chat/completions", packed.Bytes(), "gzip"},
		{10, "/v1/messages", bodyOf(31 * mebibyte), "identity"},
	} {
		var sending sync.WaitGroup
		for range wave.requests {
			sending.Go(func() { send(wave.path, wave.body, wave.coding) })
		}
		sending.Wait()
	}
	if served == 0 || later == 0 {
		t.Errorf("%d are served, %d told to come again", served, later)
	}
	peak := peakMemory(t, s.Gateways[0].Process.PID())
	t.Logf("%d served, %d told to come again, %d MiB at most", served, later, peak>>20)
	if peak > most*mebibyte {
		t.Errorf("%d MiB at most, with %d for bodies", peak>>20, budget)
	}
}

// peakMemory is the most memory that a process has had, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	t.Fatal("no peak in /proc")
	return 0
}
