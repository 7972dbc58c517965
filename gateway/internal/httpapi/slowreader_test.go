package httpapi_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/httpapi"
)

// plainMount has a route that thinks for a while and then writes as it likes.
type plainMount struct{ takes time.Duration }

func (m plainMount) Routes(router gin.IRouter) {
	router.GET("/plain", func(c *gin.Context) {
		time.Sleep(m.takes)
		c.Status(http.StatusSeeOther) // what follows is written when the handler has returned
	})
}

// pipes is a listener whose connections have no room on their way.
type pipes struct {
	conns chan net.Conn
	over  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn, 1), over: make(chan struct{})} }

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.over) })
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// dial connects to the listener.
func (l *pipes) dial() net.Conn {
	near, far := net.Pipe()
	l.conns <- far
	return near
}

// A client that asks and does not read loses its connection, whoever writes the answer,
// and not because the answer took long to make.
func TestSlowReadersEnd(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"GET /plain", "GET /nowhere", "OPTIONS /v1/models", "GET /v1/models"} {
		synctest.Test(t, func(t *testing.T) {
			e := newEdge(t, says(nil, greeting...), func(d *httpapi.Deps) {
				d.Options.Stream.WriteTimeout = 20 * time.Second
				d.Mounts = []httpapi.Mount{plainMount{takes: time.Minute}}
			})
			listener := newPipes()
			client := listener.dial()
			closed := make(chan time.Time, 1)
			server := &http.Server{Handler: e, ReadHeaderTimeout: time.Second, ConnState: func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					closed <- time.Now()
				}
			}}
			ended := make(chan error, 1)
			go func() { ended <- server.Serve(listener) }()
			if _, err := io.WriteString(client, path+" HTTP/1.1\r\nHost: x\r\nOrigin: http://other\r\nAccess-Control-Request-Method: GET\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			select {
			case at := <-closed:
				if took := at.Sub(began); took < 20*time.Second || took > 90*time.Second {
					t.Errorf("%s: closed after %s", path, took)
				}
			case <-time.After(time.Hour):
				t.Errorf("%s: the connection is held", path)
			}
			_ = client.Close()
			_ = server.Close()
			if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		})
	}
}
