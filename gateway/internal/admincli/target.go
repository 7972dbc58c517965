package admincli

import (
	"cmp"
	"net/url"
)

// target is the gateway that is meant.
type target struct {
	// contextName, url and keyFile are what the command line says.
	contextName, url, keyFile string
	// address is where the gateway is, and contextKey its key where a context says so: both are
	// known once locate was called.
	address, contextKey string
}

// locate finds where the gateway is. The key of a context is for the address of that context, and
// is left alone where another one is said.
func (s *session) locate() error {
	if s.contextName != "" && s.url != "" {
		return misuse("--context and --url both name a gateway: give one of them")
	}
	if s.contextName == "" {
		if s.address = cmp.Or(s.url, s.Getenv("CAROUSEL_URL")); s.address != "" {
			return nil
		}
	}
	found, err := s.chosenContext()
	s.address, s.contextKey = cmp.Or(found.URL, s.addressHere()), found.Key
	return err
}

// addressHere is that of a gateway on this machine.
func (s *session) addressHere() string {
	return "http://127.0.0.1:" + cmp.Or(s.Getenv("PORT"), "3000")
}

// withoutPassword is an address as it may be shown.
func withoutPassword(address string) string {
	at, err := url.Parse(address)
	if err != nil || at.Opaque != "" { // there may be one, and nobody knows where
		return ""
	}
	return at.Redacted()
}
