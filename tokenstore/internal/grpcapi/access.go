package grpcapi

import (
	"carousel.internal/proto/service/certfile"
	"carousel.internal/proto/service/secret"
)

// Access says who may call. Over TLS with AskCertificates a caller is judged by its
// certificate, and by nothing else; all other callers by the secret.
type Access struct {
	// Secret is shared with the gateways; of several each is accepted, of none nobody's.
	Secret secret.Value
	// Certificates are this server's, and the authorities of its callers'; nil: it has none,
	// and does not speak TLS.
	Certificates *certfile.Files
	// AskCertificates asks callers over TLS for a certificate.
	AskCertificates bool
	// Plaintext takes callers without TLS, too, where there are certificates.
	Plaintext bool
	// Gateways and Admins are the DNS names in the certificates of those.
	Gateways, Admins []string
}
