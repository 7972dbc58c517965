package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// A stream that outlives the grace of a gateway that is stopped ends in an error that is
// the server's, with a key and without; the log says so, too.
func TestAShutdownIsNotTheCallersFault(t *testing.T) {
	s := stack.Start(t, stack.Options{Gateways: 2, GatewayEnv: []string{"SHUTDOWN_GRACE=5s"}})
	begun := make(chan bool, 2)
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"half"},"finish_reason":null}]}`+"\n\n")
		_ = http.NewResponseController(w).Flush()
		begun <- true
		<-r.Context().Done()
	}))
	t.Cleanup(endless.Close)
	s.PutUpstream("endless", map[string]any{"driver": "openai", "base_url": endless.URL + "/v1", "models": []string{"endless"}})
	s.AddTokens("endless", "e", 2, 0)
	keys := []string{"", "shutdown"}
	got := make([]string, len(keys))
	var asking sync.WaitGroup
	for i, key := range keys {
		asking.Go(func() { _, _, got[i] = keyed(t, s.Gateways[0], key, chatBody("endless", "a", true)) })
	}
	for range keys {
		<-begun
	}
	s.Gateways[0].Process.Stop()
	asking.Wait()
	for i, text := range got {
		if !strings.Contains(text, `"half"`) || !strings.Contains(text, `"type":"server_error"`) ||
			!strings.Contains(text, `"code":"shutting_down"`) || strings.Contains(text, "[DONE]") {
			t.Errorf("key %q: %s", keys[i], text)
		}
	}
	s.Eventually("the log says so", 20*time.Second, func() bool {
		var page struct {
			Logs []struct {
				End  string `json:"end_reason"`
				Kind string `json:"error_kind"`
			} `json:"logs"`
		}
		s.Gateways[1].MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/logs?model=endless", nil).JSON(t, &page)
		return fmt.Sprint(page.Logs) == "[{shut_down shutting_down} {shut_down shutting_down}]"
	})
}
