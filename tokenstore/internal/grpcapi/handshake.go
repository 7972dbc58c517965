package grpcapi

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// handshakes begin connections: with TLS, by the certificate files as they are at that
// moment, and where Plaintext allows it without. It implements
// credentials.TransportCredentials.
type handshakes struct {
	access   Access
	refusals *refusals
}

// credentialsOf are nil where connections are plain.
func credentialsOf(access Access, refusals *refusals) credentials.TransportCredentials {
	if access.Certificates == nil {
		return insecure.NewCredentials()
	}
	return &handshakes{access, refusals}
}

// ServerHandshake implements credentials.TransportCredentials. The server bounds its time.
func (h *handshakes) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	first, conn, err := peek(raw)
	if err != nil {
		return nil, nil, err // who only looks whether somebody is there is no news
	}
	if first != tlsRecord && h.access.Plaintext {
		return insecure.NewCredentials().ServerHandshake(conn)
	}
	secured, info, err := credentials.NewTLS(h.config()).ServerHandshake(conn)
	if err != nil {
		h.refusals.note("TLS handshake", slog.String("from", raw.RemoteAddr().String()), slog.Any("error", err))
	}
	return secured, info, err
}

// config is that of one connection. Sessions are not resumed: what their certificate was
// worth when they began may have changed.
func (h *handshakes) config() *tls.Config {
	now := h.access.Certificates.Current()
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*now.Certificate}, SessionTicketsDisabled: true}
	if h.access.AskCertificates {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, now.Authorities
	}
	return config
}

// ClientHandshake implements credentials.TransportCredentials.
func (*handshakes) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are a server's")
}

// Info implements credentials.TransportCredentials.
func (*handshakes) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials.
func (h *handshakes) Clone() credentials.TransportCredentials { return h }

// OverrideServerName implements credentials.TransportCredentials.
func (*handshakes) OverrideServerName(string) error {
	return errors.New("these credentials are a server's")
}

// tlsRecord is the first byte of a TLS connection; one of plain HTTP/2 begins with a P.
const tlsRecord = 0x16

// peek reads the first byte of a connection, and returns one that still has it.
func peek(raw net.Conn) (byte, net.Conn, error) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(raw, first); err != nil {
		return 0, nil, err
	}
	return first[0], &peeked{Conn: raw, unread: first}, nil
}

// peeked is a connection of which something was read before.
type peeked struct {
	net.Conn
	unread []byte
}

// Read implements net.Conn.
func (p *peeked) Read(into []byte) (int, error) {
	if len(p.unread) == 0 {
		return p.Conn.Read(into)
	}
	n := copy(into, p.unread)
	p.unread = p.unread[n:]
	return n, nil
}
