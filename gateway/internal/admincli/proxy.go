package admincli

import (
	"context"
	"net/url"

	"github.com/spf13/pflag"
)

// proxyPassword is the environment variable that has the password of a proxy: a command
// line can be read by every process of the machine.
const proxyPassword = "CAROUSEL_PROXY_PASSWORD"

// proxyFlags are those of commands that take an outgoing proxy.
type proxyFlags struct {
	url     *string
	untried *bool
}

func newProxyFlags(flags *pflag.FlagSet) proxyFlags {
	return proxyFlags{
		flags.String("proxy", "", "`URL` of an outgoing proxy, such as socks5://user@host:1080; its password is in $"+proxyPassword+" or is asked for; empty: the upstream's"),
		flags.Bool("untried", false, "don't try the proxy before it is saved"),
	}
}

// query is what keeps the gateway from trying the proxy.
func (p proxyFlags) query() string {
	if *p.untried {
		return "?check=false"
	}
	return ""
}

// read is the proxy's URL, with its password.
func (p proxyFlags) read(ctx context.Context, s *session) (string, error) {
	if *p.url == "" {
		return "", nil
	}
	at, err := url.Parse(*p.url)
	if err != nil { // its text would repeat the URL
		return "", misuse("--proxy: a URL such as socks5://user@host:1080 wanted")
	}
	if _, given := at.User.Password(); given {
		return "", misuse("--proxy: leave the password out and set %s to it", proxyPassword)
	}
	if at.User == nil {
		return at.String(), nil
	}
	password := s.Getenv(proxyPassword)
	if password == "" && s.Terminal.Typed() {
		if password, err = s.Terminal.ReadHidden(ctx, "Password of the proxy's user, empty for none: "); err != nil {
			return "", err
		}
	}
	if password != "" {
		at.User = url.UserPassword(at.User.Username(), password)
	}
	return at.String(), nil
}
