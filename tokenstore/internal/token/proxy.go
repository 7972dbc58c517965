package token

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"carousel.internal/proto/service/secret"
)

// maxProxy bounds a proxy's URL, in bytes.
const maxProxy = 1 << 10

// hidden stands for a proxy's password where it is shown.
const hidden = "•••"

var proxySchemes = []string{"http", "https", "socks5", "socks5h"}

// CheckProxy refuses what is no proxy's URL; an empty one is fine. Its errors never repeat
// the text.
func CheckProxy(proxy secret.Value) error {
	text := proxy.Reveal()
	if text == "" {
		return nil
	}
	parsed, err := url.Parse(text)
	switch {
	case strings.Contains(text, hidden): // that is no URL, either
		return errors.New("proxy: its password is hidden; write it in full")
	case len(text) > maxProxy, err != nil, !slices.Contains(proxySchemes, parsed.Scheme), parsed.Hostname() == "":
		return errors.New("proxy: an http, https or socks5 URL with a host, such as socks5://user:password@host:1080")
	case parsed.Path != "" && parsed.Path != "/", parsed.RawQuery != "", parsed.ForceQuery, parsed.Fragment != "":
		return errors.New("proxy: no path, query or fragment")
	}
	if port := parsed.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("proxy: a port is 1 to 65535")
		}
	}
	return nil
}

// MaskProxy is what may be shown of a proxy: all but its password.
func MaskProxy(proxy secret.Value) string {
	if proxy.Empty() {
		return ""
	}
	parsed, err := url.Parse(proxy.Reveal())
	if err != nil { // its error could repeat the text
		return hidden
	}
	shown := parsed.Scheme + "://"
	if parsed.User != nil {
		shown += url.User(parsed.User.Username()).String()
		if _, has := parsed.User.Password(); has {
			shown += ":" + hidden
		}
		shown += "@"
	}
	return shown + parsed.Host
}

// KeepProxy is the proxy that is meant by a text which may be the masked form of the one
// before: that keeps its password. A masked one of another address stays masked, which
// CheckProxy refuses, because a password goes nowhere that its owner has not named.
func KeepProxy(written, before secret.Value) secret.Value {
	text := strings.TrimSpace(written.Reveal())
	if text != "" && text == MaskProxy(before) {
		return before
	}
	return secret.New(text)
}
