package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// proxyTo answers the URL of a proxy in front of a handler.
func proxyTo(t *testing.T, handler http.HandlerFunc) (*pool, string) {
	t.Helper()
	upstream := httptest.NewServer(handler)
	t.Cleanup(upstream.Close)
	connections := newPool(upstream.Listener.Addr().String())
	front := httptest.NewServer(&proxy{connections})
	t.Cleanup(front.Close)
	return connections, front.URL
}

func post(t *testing.T, url, body string) (*http.Response, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat?a=b", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-From", "client")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer, string(text), err
}

func TestARequestAndItsAnswerPassWhole(t *testing.T) {
	t.Parallel()
	connections, url := proxyTo(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-From", "upstream of "+r.Header.Get("X-From"))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.String()+" "+string(body))
	})
	for range 3 {
		answer, text, err := post(t, url, "hello")
		if err != nil || answer.StatusCode != http.StatusAccepted || answer.Header.Get("X-From") != "upstream of client" ||
			text != "POST /v1/chat?a=b hello" {
			t.Errorf("%s, %v, %q, %v", answer.Status, answer.Header, text, err)
		}
	}
	if len(connections.idle) != 1 {
		t.Errorf("%d connections for three requests in turn", len(connections.idle))
	}
}

func TestAStreamPassesAsItComes(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	_, url := proxyTo(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "event\n")
			_ = http.NewResponseController(w).Flush()
			<-more
		}
	})
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewReader(answer.Body)
	for range 3 { // each comes before the upstream goes on
		if line, err := lines.ReadString('\n'); line != "event\n" {
			t.Fatalf("%q, %v", line, err)
		}
		more <- struct{}{}
	}
	if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestHalfAnAnswerIsNoWholeOne(t *testing.T) {
	t.Parallel()
	connections, url := proxyTo(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	if _, text, err := post(t, url, ""); err == nil {
		t.Errorf("%q looks whole", text)
	}
	if len(connections.idle) > 0 {
		t.Error("a broken connection was kept")
	}
}

func TestAConnectionThatRestedTooLongIsNotUsed(t *testing.T) {
	t.Parallel()
	connections, url := proxyTo(t, func(http.ResponseWriter, *http.Request) {})
	ours, theirs := net.Pipe()
	_ = theirs.Close()
	connections.idle <- &connection{Conn: ours, since: time.Now().Add(-2 * maxIdleTime)}
	if answer, _, err := post(t, url, ""); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s, %v", answer.Status, err)
	}
	if _, err := ours.Write(nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("it was left open: %v", err)
	}
}

func TestAnUpstreamThatIsNotThere(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	front := httptest.NewServer(&proxy{newPool(listener.Addr().String())})
	defer front.Close()
	if answer, _, err := post(t, front.URL, ""); err != nil || answer.StatusCode != http.StatusBadGateway {
		t.Errorf("%s, %v", answer.Status, err)
	}
}
