package admincli

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
)

// proxyPassword is the environment variable that has the password of a proxy: a command
// line can be read by every process of the machine.
const proxyPassword = "CAROUSEL_PROXY_PASSWORD"

// proxyFlags are those of commands that take an outgoing proxy.
type proxyFlags struct {
	url     *string
	untried *bool
}

func newProxyFlags(flags *flag.FlagSet) proxyFlags {
	return proxyFlags{flags.String("proxy", "", ""), flags.Bool("untried", false, "")}
}

// query is what keeps the gateway from trying the proxy.
func (p proxyFlags) query() string {
	if *p.untried {
		return "?check=false"
	}
	return ""
}

// read is the proxy's URL, with its password.
func (p proxyFlags) read(getenv func(string) string) (string, error) {
	password := getenv(proxyPassword)
	if *p.url == "" {
		return "", nil
	}
	at, err := url.Parse(*p.url)
	if err != nil { // its text would repeat the URL
		return "", errors.New("--proxy: a URL such as socks5://user@host:1080 wanted")
	}
	if _, given := at.User.Password(); given {
		return "", fmt.Errorf("--proxy: leave the password out and set %s to it", proxyPassword)
	}
	if at.User != nil && password != "" {
		at.User = url.UserPassword(at.User.Username(), password)
	}
	return at.String(), nil
}
