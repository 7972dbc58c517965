package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/proto/service/secret"
)

// silent is a proxy that listens and says nothing. closed is closed when its client leaves.
func silent(t *testing.T, at string) (ways *tunnels, closed chan struct{}) {
	t.Helper()
	named, err := parse(at)
	if err != nil {
		t.Fatal(err)
	}
	closed = make(chan struct{})
	return &tunnels{proxy: named, reach: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			_, _ = io.Copy(io.Discard, far)
			close(closed)
		}()
		return near, nil
	}}, closed
}

var silents = []string{"http://u:p@proxy.example", "https://proxy.example", "socks5://u:p@proxy.example"}

// A proxy that says nothing is at fault after a while.
func TestASilentProxy(t *testing.T) {
	t.Parallel()
	for _, at := range silents {
		synctest.Test(t, func(t *testing.T) {
			ways, closed := silent(t, at)
			began := time.Now()
			_, err := ways.dial(t.Context(), "tcp", "api.example:443")
			if _, blamed := errors.AsType[*Error](err); !blamed || !strings.Contains(err.Error(), "within 10s") || time.Since(began) != patience {
				t.Errorf("%s: %v after %s", at, err, time.Since(began))
			}
			<-closed
		})
	}
}

// Whoever gives up while a tunnel is being opened is not told that the proxy is at fault, and
// leaves nothing behind.
func TestGivingUpWhileDialing(t *testing.T) {
	t.Parallel()
	for _, at := range silents {
		synctest.Test(t, func(t *testing.T) {
			ways, closed := silent(t, at)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			conn, err := ways.dial(ctx, "tcp", "api.example:443")
			if _, blamed := errors.AsType[*Error](err); blamed || conn != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, %v", at, conn, err)
			}
			<-closed
		})
	}
}

// What an upstream says without being asked, with the proxy's own answer, is not lost.
func TestAnUpstreamMaySpeakFirst(t *testing.T) {
	t.Parallel()
	for at, answer := range map[string]string{
		"http://proxy.example":   "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n",
		"socks5://proxy.example": "\x05\x00\x05\x00\x00\x03\x02ab\x00\x00",
	} {
		named, err := parse(at)
		if err != nil {
			t.Fatal(err)
		}
		ways := &tunnels{proxy: named, reach: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, far) }()
			go func() {
				_, _ = io.WriteString(far, answer+"first")
				_, _ = io.WriteString(far, ", second")
				_ = far.Close()
			}()
			return near, nil
		}}
		tunnel, err := ways.dial(t.Context(), "tcp", "api.example:443")
		if err != nil {
			t.Fatal(err)
		}
		if said, err := io.ReadAll(tunnel); string(said) != "first, second" || err != nil {
			t.Errorf("%s: %q, %v", at, said, err)
		}
		_ = tunnel.Close()
	}
}

// However many proxies there are, only those that were used last have connections.
func TestPoolsAreBounded(t *testing.T) {
	t.Parallel()
	all := newPools(&http.Transport{})
	named := func(n int) secret.Value { return secret.New(fmt.Sprintf("http://u:p%d@proxy.example", n)) }
	of := func(n int) any {
		found, err := all.of(named(n))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	first, second := of(0), of(1)
	for n := range maxPools - 1 {
		of(2 + n)
		if of(0) != first {
			t.Fatalf("the one that is in use is forgotten after %d others", n)
		}
	}
	if len(all.all) != maxPools {
		t.Errorf("%d pools", len(all.all))
	}
	if of(1) == second {
		t.Error("the one that was not used is kept")
	}
	if shown := fmt.Sprintf("%v %+v", all, &Transport{own: named(1), pools: all}); strings.Contains(shown, "u:p") {
		t.Error("printing it shows a password")
	}
}

// FuzzHandshake: whatever a proxy answers, the handshake ends.
func FuzzHandshake(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\n\r\n")
	f.Add("\x05\x02\x01\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
	f.Add("\x05\x02\x01\x00\x05\x00\x00\x03\x02ab\x00\x00")
	f.Fuzz(func(t *testing.T, answer string) {
		for _, at := range []string{"http://u:p@proxy.example", "socks5://u:p@proxy.example"} {
			named, err := parse(at)
			if err != nil {
				t.Fatal(err)
			}
			ways := &tunnels{proxy: named, reach: func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() { _, _ = io.Copy(io.Discard, far) }()
				go func() {
					_, _ = io.WriteString(far, answer)
					_ = far.Close()
				}()
				return near, nil
			}}
			if conn, err := ways.dial(t.Context(), "tcp", "api.example:443"); err == nil {
				_ = conn.Close()
			} else if _, known := errors.AsType[*Error](err); !known && !strings.HasPrefix(err.Error(), "behind the proxy") {
				t.Errorf("%v", err)
			}
		}
	})
}
