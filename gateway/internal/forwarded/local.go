package forwarded

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Local tells whether a request is from this machine, and was sent to it by a name or an address
// that every machine has for itself. What comes through a tunnel, or by a name that somebody has
// made lead here, is not. It is for requests that have been resolved.
func Local(r *http.Request) bool { return Client(r).IsLoopback() && isLoopback(r.Host) }

// isLoopback tells whether a host, with or without a port, is always the machine itself.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.Unmap().IsLoopback()
}
