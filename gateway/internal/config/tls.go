package config

import (
	"errors"

	"carousel.internal/proto/service/certfile"
)

// TLS tells whether the tokenstore is called over TLS.
func (c Config) TLS() bool { return c.TLSCAFile != "" }

// TLSPaths are the certificate files.
func (c Config) TLSPaths() certfile.Paths {
	return certfile.Paths{Certificate: c.TLSCertFile, Key: c.TLSKeyFile, Authorities: c.TLSCAFile}
}

func (c Config) checkTLS() []error {
	var problems []error
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		problems = append(problems, errors.New("tokenstore_tls_key_file: a certificate and its key wanted, both or neither"))
	}
	if c.TLSCertFile != "" && !c.TLS() {
		problems = append(problems, errors.New("tokenstore_tls_ca_file: the authorities of the tokenstore's certificate wanted, too: a certificate is shown over TLS"))
	}
	return problems
}
