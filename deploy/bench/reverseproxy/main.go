// Command reverseproxy is the yardstick of the benchmark: what Go's own reverse
// proxy costs when it does nothing but pass on, with a transport that keeps
// enough connections and flushes every write.
//
// It reads a request's body before it sends the request on. Passed through as it
// comes, net/http now and then cuts an answer off.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8091", "address to listen on")
	upstream := flag.String("upstream", "http://127.0.0.1:8090", "URL to pass requests on to")
	flag.Parse()
	if err := serve(*addr, *upstream); err != nil {
		fmt.Fprintln(os.Stderr, "reverseproxy:", err)
		os.Exit(1)
	}
}

func serve(addr, upstream string) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	const connections = 1024
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{
			MaxIdleConns: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: 5 * time.Minute,
			DisableCompression: true,
		},
		FlushInterval: -1,
	}
	server := &http.Server{Addr: addr, Handler: bodyFirst(proxy), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute}
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func bodyFirst(next http.Handler) http.Handler {
	const most = 1 << 20
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
		if err != nil {
			http.Error(w, "the body can't be read", http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		next.ServeHTTP(w, r)
	})
}
