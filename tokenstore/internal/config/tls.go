package config

import (
	"errors"
	"strings"

	"carousel.internal/proto/service/certfile"
)

// TLS tells whether callers speak TLS.
func (c Config) TLS() bool { return c.TLSCertFile != "" }

// TLSPaths are the certificate files.
func (c Config) TLSPaths() certfile.Paths {
	return certfile.Paths{Certificate: c.TLSCertFile, Key: c.TLSKeyFile, Authorities: c.TLSCAFile}
}

// GatewayNames are those of TLSGateways.
func (c Config) GatewayNames() []string { return names(c.TLSGateways) }

// AdminNames are those of TLSAdmins.
func (c Config) AdminNames() []string { return names(c.TLSAdmins) }

func names(list string) []string {
	var all []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			all = append(all, name)
		}
	}
	return all
}

// asksSecret tells whether there can be callers who are not asked for a certificate.
func (c Config) asksSecret() bool { return c.TLSCAFile == "" || c.TLSPlaintext }

func (c Config) checkTLS() []error {
	var problems []error
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		problems = append(problems, errors.New("tokenstore_tls_key_file: a certificate and its key wanted, both or neither"))
	}
	if !c.TLS() && c.TLSCAFile != "" {
		problems = append(problems, errors.New("tokenstore_tls_ca_file: tokenstore_tls_cert_file wanted, too: callers are asked for certificates over TLS"))
	}
	if !c.TLS() && c.TLSPlaintext {
		problems = append(problems, errors.New("tokenstore_tls_plaintext: tokenstore_tls_cert_file wanted, too: without it everything is plaintext"))
	}
	if c.TLSCAFile != "" && len(c.GatewayNames()) == 0 {
		problems = append(problems, errors.New("tokenstore_tls_gateways: the name of gateways wanted: without one there are none"))
	}
	return problems
}
