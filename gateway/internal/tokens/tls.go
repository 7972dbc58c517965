package tokens

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"carousel.internal/proto/service/certfile"
)

// handshakes begin connections over TLS, by the certificate files as they are at that moment.
// The tokenstore's certificate must be for the host that the configuration names, whichever
// address that has. It implements credentials.TransportCredentials.
type handshakes struct{ certificates *certfile.Files }

// credentialsOf are those of plain connections where there are no certificates.
func credentialsOf(certificates *certfile.Files) credentials.TransportCredentials {
	if certificates == nil {
		return insecure.NewCredentials()
	}
	return handshakes{certificates}
}

// ClientHandshake implements credentials.TransportCredentials.
func (h handshakes) ClientHandshake(ctx context.Context, host string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	now := h.certificates.Current()
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: now.Authorities}
	if now.Certificate != nil {
		// Whichever authorities the tokenstore names: it then says itself what is wrong with ours.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return now.Certificate, nil }
	}
	return credentials.NewTLS(config).ClientHandshake(ctx, host, raw)
}

// ServerHandshake implements credentials.TransportCredentials.
func (handshakes) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are a client's")
}

// Info implements credentials.TransportCredentials.
func (handshakes) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials.
func (h handshakes) Clone() credentials.TransportCredentials { return h }

// OverrideServerName implements credentials.TransportCredentials.
func (handshakes) OverrideServerName(string) error {
	return errors.New("the tokenstore's name is that of its address")
}
