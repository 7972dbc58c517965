package egress

import "fmt"

// Error is a proxy that can't be reached, or refuses. Its text names no user and no password.
type Error struct{ Text string }

// Error implements error.
func (e *Error) Error() string { return e.Text }

// blame makes an Error that names the proxy.
func (p *proxy) blame(format string, args ...any) error {
	return &Error{Text: fmt.Sprintf("the proxy %s ", p) + fmt.Sprintf(format, args...)}
}

// behind is the error of a proxy that does its work, but can't reach the upstream. The upstream
// is at fault, or the way to it: that is no Error. Proxies say so with HTTP 502, 503 and 504,
// and with the replies 3 to 6 of SOCKS. Some say 503 too where they have no way out
// themselves, which nobody can tell apart.
func (p *proxy) behind(target, why string) error {
	return fmt.Errorf("behind the proxy %s, %s can't be reached: %s", p, target, why)
}
