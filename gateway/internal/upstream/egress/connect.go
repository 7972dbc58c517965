package egress

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// maxHead bounds the head of a proxy's answer, in bytes.
const maxHead = 64 << 10

// connect asks an HTTP proxy for a tunnel to the target.
func (p *proxy) connect(conn net.Conn, target string) (net.Conn, error) {
	if _, err := io.WriteString(conn, p.connectHead(target)); err != nil {
		return nil, p.blame("breaks off the connection: %v", err)
	}
	reader := bufio.NewReader(io.LimitReader(conn, maxHead))
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // that would read the tunnel to its end
	if err != nil {                                                                       // whose words may repeat what the proxy says, whatever that is
		return nil, p.blame("hangs up, or does not answer as HTTP proxies do")
	}
	if err := p.judge(response.StatusCode, target); err != nil {
		return nil, err
	}
	if reader.Buffered() == 0 {
		return conn, nil
	}
	return &begun{Conn: conn, ahead: io.LimitReader(reader, int64(reader.Buffered()))}, nil
}

func (p *proxy) connectHead(target string) string {
	var head strings.Builder
	head.WriteString("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n")
	if p.known {
		pair := p.user.Reveal() + ":" + p.password.Reveal()
		head.WriteString("Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) + "\r\n")
	}
	head.WriteString("\r\n")
	return head.String()
}

// judge says what a status means; nil: the tunnel is open.
func (p *proxy) judge(status int, target string) error {
	switch {
	case status >= 200 && status <= 299:
		return nil
	case status == http.StatusProxyAuthRequired && p.known:
		return p.blame("does not accept the user name or the password (HTTP 407)")
	case status == http.StatusProxyAuthRequired:
		return p.blame("wants a user name and a password (HTTP 407)")
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return p.behind(target, statusText(status))
	default:
		return p.blame("refuses a way to %s (%s)", target, statusText(status))
	}
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s", status, http.StatusText(status)))
}

// begun is a tunnel through which something has come with the proxy's answer.
type begun struct {
	net.Conn
	ahead io.Reader
}

// Read implements net.Conn.
func (b *begun) Read(buffer []byte) (int, error) {
	if b.ahead != nil {
		if n, err := b.ahead.Read(buffer); err == nil {
			return n, nil
		}
		b.ahead = nil
	}
	return b.Conn.Read(buffer)
}

// NetConn returns the connection below.
func (b *begun) NetConn() net.Conn { return b.Conn }
