package proxysim

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// serveHTTP takes one CONNECT.
func (p *Proxy) serveHTTP(conn net.Conn) {
	reader := bufio.NewReader(conn)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	user, password := basic(request.Header.Get("Proxy-Authorization"))
	switch {
	case !p.accepts(user, password):
		answer(conn, http.StatusProxyAuthRequired, "Proxy-Authenticate: Basic realm=\"proxysim\"\r\n")
		return
	case request.Method != http.MethodConnect:
		answer(conn, http.StatusMethodNotAllowed, "")
		return
	}
	target, err := p.reach(request.RequestURI)
	if err != nil {
		answer(conn, http.StatusBadGateway, "")
		return
	}
	defer p.leave(target)
	answer(conn, http.StatusOK, "")
	p.join(conn, reader, target)
}

// answer writes a head without a body.
func answer(conn net.Conn, status int, header string) {
	if status != http.StatusOK {
		header += "Content-Length: 0\r\nConnection: close\r\n"
	}
	// An error means that the client has gone.
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\n%s\r\n", status, http.StatusText(status), header)
}

// basic reads the credentials of a header; empty: there are none.
func basic(header string) (user, password string) {
	encoded, isBasic := strings.CutPrefix(header, "Basic ")
	pair, err := base64.StdEncoding.DecodeString(encoded)
	if !isBasic || err != nil {
		return "", ""
	}
	user, password, _ = strings.Cut(string(pair), ":")
	return user, password
}
