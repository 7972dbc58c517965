package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	// maxIdle bounds the connections that are kept.
	maxIdle     = 1024
	dialTimeout = 5 * time.Second
	// maxIdleTime is well below the time after which the simulator hangs up.
	maxIdleTime = time.Minute
	// answerLimit bounds an answer.
	answerLimit = time.Minute
	bufferSize  = 32 << 10
)

// pool has the idle connections to one address.
type pool struct {
	addr string
	idle chan *connection
}

func newPool(addr string) *pool { return &pool{addr, make(chan *connection, maxIdle)} }

// take answers a connection that its caller has alone until give or Close.
func (p *pool) take(ctx context.Context) (*connection, error) {
	for {
		select {
		case c := <-p.idle:
			if time.Since(c.since) < maxIdleTime {
				return c, nil
			}
			_ = c.Close()
		default:
			return p.dial(ctx)
		}
	}
}

func (p *pool) dial(ctx context.Context) (*connection, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return nil, err
	}
	return &connection{
		Conn: conn, reader: bufio.NewReaderSize(conn, bufferSize), writer: bufio.NewWriterSize(conn, bufferSize), buffer: make([]byte, bufferSize),
	}, nil
}

// give takes a connection back whose answer was read to its end.
func (p *pool) give(c *connection) {
	c.since = time.Now()
	select {
	case p.idle <- c:
	default:
		_ = c.Close()
	}
}

// connection is one to the upstream.
type connection struct {
	net.Conn
	reader *bufio.Reader
	writer *bufio.Writer
	buffer []byte    // for an answer's body
	since  time.Time // when it was last given back
}

// ask sends a request in one write, and reads the head of its answer.
func (c *connection) ask(r *http.Request, body []byte) (*http.Response, error) {
	if err := c.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return nil, err
	}
	fmt.Fprintf(c.writer, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.Method, r.URL.RequestURI(), r.Host, len(body))
	r.Header.Del("Content-Length")
	if err := r.Header.Write(c.writer); err != nil {
		return nil, err
	}
	_, _ = c.writer.WriteString("\r\n") // Flush tells of what went wrong
	_, _ = c.writer.Write(body)
	if err := c.writer.Flush(); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.reader, r)
}
