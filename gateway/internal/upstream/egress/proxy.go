package egress

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/ondemand"
	"carousel.internal/proto/service/secret"
)

// Kinds of proxies: the schemes of their URLs.
const (
	plainHTTP = "http"
	overTLS   = "https"
	socks5    = "socks5"
	// socks5h is how some tools call a socks5 that resolves names, as each does here.
	socks5h = "socks5h"
)

// usualPorts are for URLs without one.
var usualPorts = map[string]string{plainHTTP: "80", overTLS: "443", socks5: "1080", socks5h: "1080"}

const (
	// maxURL bounds a proxy's URL, in bytes.
	maxURL = 2048
	// maxCredential bounds a user name, and a password, for socks5, in bytes.
	maxCredential = 255
)

// hostForm is what names and addresses look like: errors show the host.
var hostForm = ondemand.Regexp(`^[0-9A-Za-z._:-]{1,253}$`)

// proxy is a way out.
type proxy struct {
	kind, host, port string
	user, password   secret.Value
	// known tells that there is a user name.
	known bool
}

// String names the proxy without user and password.
func (p *proxy) String() string { return p.kind + "://" + p.address() }

func (p *proxy) address() string { return net.JoinHostPort(p.host, p.port) }

// Parse tells what is wrong with a proxy's URL, without repeating it; nil: nothing.
func Parse(text string) error {
	_, err := parse(text)
	return err
}

func parse(text string) (*proxy, error) {
	at, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return nil, errors.New("is longer than 2048 bytes")
	case err != nil: // the parser's words would repeat it, with the password
		return nil, errors.New("is not a URL such as http://user:password@host:port; in a user name or password, signs such as @ : / % are written as %40 %3A %2F %25")
	case usualPorts[at.Scheme] == "":
		return nil, errors.New("must begin with http://, https://, socks5:// or socks5h://")
	case !hostForm.MatchString(at.Hostname()):
		return nil, errors.New("has no host, or one that is no name and no address")
	case strings.Trim(at.Path, "/")+at.RawQuery+at.Fragment != "":
		return nil, errors.New("must end after the port")
	}
	p := &proxy{kind: at.Scheme, host: at.Hostname(), port: at.Port()}
	if p.port == "" {
		p.port = usualPorts[p.kind]
	}
	if port, err := strconv.ParseUint(p.port, 10, 16); err != nil || port == 0 {
		return nil, errors.New("needs a port from 1 to 65535")
	}
	return p, p.takeUser(at.User)
}

func (p *proxy) takeUser(info *url.Userinfo) error {
	if info == nil {
		return nil
	}
	user := info.Username()
	password, _ := info.Password()
	socks := p.kind == socks5 || p.kind == socks5h
	switch {
	case user == "":
		return errors.New("has a password, but no user name")
	case !socks && strings.Contains(user, ":"):
		return errors.New("must have no colon in its user name")
	case socks && (password == "" || len(user) > maxCredential || len(password) > maxCredential):
		return errors.New("needs a user name and a password of 1 to 255 bytes each, or neither")
	}
	p.user, p.password, p.known = secret.New(user), secret.New(password), true
	return nil
}
