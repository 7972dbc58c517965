// Package ops serves what operators and orchestrators ask of a process, on a
// port of its own: /livez (it runs), /readyz (it can serve), /metrics and
// /debug/pprof.
package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check answers nil when the named dependency is usable.
type Check func(context.Context) error

// Degraded is what a Check answers of a process that serves, though not as it
// should: /readyz says so, and stays ready.
type Degraded string

func (d Degraded) Error() string { return string(d) }

// Handler serves the ops routes. ready is asked at most once per request and
// gets two seconds.
func Handler(registry *prometheus.Registry, ready Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		answer(w, ready(ctx))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

const (
	headerTimeout = 10 * time.Second
	readTimeout   = 15 * time.Second
	// writeTimeout leaves time for a profile of a minute.
	writeTimeout   = 90 * time.Second
	idleTimeout    = time.Minute
	maxHeaderBytes = 16 << 10
)

// Server makes the server of an ops port. Nobody holds a connection of it for long.
func Server(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func answer(w http.ResponseWriter, err error) {
	body := map[string]string{"status": "ok"}
	status := http.StatusOK
	if degraded, ok := errors.AsType[Degraded](err); ok {
		body = map[string]string{"status": "degraded", "reason": string(degraded)}
	} else if err != nil {
		body = map[string]string{"status": "unavailable", "reason": err.Error()}
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the asker has gone: nobody to tell
}

// Listen takes a port.
func Listen(addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("take the port: %w", err)
	}
	return listener, nil
}

// Probe asks the /readyz of the process that listens on addr, for a container's
// health check.
func Probe(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("ops address %q: %w", addr, err)
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	url := "http://" + net.JoinHostPort(host, port) + "/readyz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return errors.New("not ready: " + response.Status)
	}
	return nil
}
