// Command rawproxy is the second yardstick of the benchmark: what a Go proxy costs
// that has net/http's server in front and no net/http client behind. A request is
// read whole and written to a pooled raw connection, and its answer is copied back
// as it comes, in the goroutine that serves the request.
//
// It speaks as much of HTTP/1.1 as the simulator does, and is no proxy for anything
// else.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8092", "address to listen on")
	upstream := flag.String("upstream", "127.0.0.1:8090", "address to pass requests on to")
	flag.Parse()
	if err := serve(*addr, *upstream); err != nil {
		fmt.Fprintln(os.Stderr, "rawproxy:", err)
		os.Exit(1)
	}
}

func serve(addr, upstream string) error {
	server := &http.Server{Addr: addr, Handler: &proxy{newPool(upstream)}, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute}
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// proxy passes each request on, on a connection that it has alone meanwhile.
type proxy struct{ upstream *pool }

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const most = 1 << 20
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		http.Error(w, "the body can't be read", http.StatusBadRequest)
		return
	}
	c, err := p.upstream.take(r.Context())
	if err != nil {
		http.Error(w, "the upstream can't be reached", http.StatusBadGateway)
		return
	}
	answer, err := c.ask(r, body) //nolint:bodyclose // passBack closes it
	if err != nil {
		_ = c.Close()
		http.Error(w, "the upstream does not answer", http.StatusBadGateway)
		return
	}
	if err := passBack(w, answer, c.buffer); err != nil {
		_ = c.Close()
		panic(http.ErrAbortHandler) // half an answer must not look whole
	}
	p.upstream.give(c)
}

// passBack copies an answer, and flushes each piece of one whose length is unknown.
func passBack(w http.ResponseWriter, answer *http.Response, buffer []byte) error {
	defer func() { _ = answer.Body.Close() }()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	control := http.NewResponseController(w)
	for {
		n, err := answer.Body.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
			if answer.ContentLength < 0 {
				if err := control.Flush(); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
