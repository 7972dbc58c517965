// Package forwarded finds out who sent a request that came through proxies. Only
// proxies that the operator names are believed: everybody can write their headers.
package forwarded

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of the proxies that are believed. None is the zero value.
type Proxies []netip.Prefix

// privateNetworks are what the word `private` stands for.
var privateNetworks = Proxies{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("fc00::/7"),
}

// maxProxies bounds the list.
const maxProxies = 100

// ParseProxies reads a list with commas between: networks such as 10.1.0.0/16, single
// addresses, and the word `private` for loopback and all private networks.
func ParseProxies(list string) (Proxies, error) {
	var proxies Proxies
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		switch {
		case entry == "":
			continue
		case strings.EqualFold(entry, "private"):
			proxies = append(proxies, privateNetworks...)
			continue
		}
		network, err := parseNetwork(entry)
		if err != nil {
			return nil, fmt.Errorf("networks such as 10.1.0.0/16, addresses, or the word private wanted, not %q", entry)
		}
		proxies = append(proxies, network)
	}
	if len(proxies) > maxProxies {
		return nil, fmt.Errorf("at most %d networks wanted, not %d", maxProxies, len(proxies))
	}
	return proxies, nil
}

func parseNetwork(entry string) (netip.Prefix, error) {
	if !strings.Contains(entry, "/") {
		address, err := netip.ParseAddr(entry)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()), nil
	}
	network, err := netip.ParsePrefix(entry)
	if err == nil && network.Addr().Is4In6() { // peers are looked for in their plain form
		if network.Bits() < mappedBits {
			return netip.Prefix{}, errors.New("more than the IPv4 addresses")
		}
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-mappedBits)
	}
	return network.Masked(), err
}

// mappedBits are those in front of an IPv4 address in an IPv6 one.
const mappedBits = 96

// trusts tells whether an address is that of a proxy that is believed.
func (p Proxies) trusts(address netip.Addr) bool {
	for _, network := range p {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

// The headers that proxies add. Others that mean the same are in use, but not here.
const (
	forHeader   = "X-Forwarded-For"
	protoHeader = "X-Forwarded-Proto"
)

// Resolve makes RemoteAddr the address of the client that sent the request, so that
// whatever serves it needs no second thought. What a peer says that is not believed is
// removed.
func (p Proxies) Resolve(r *http.Request) {
	peer := Client(r)
	if !p.trusts(peer) {
		delete(r.Header, forHeader)
		delete(r.Header, protoHeader)
		return
	}
	if client := p.behind(peer, r.Header[forHeader]); client != peer {
		r.RemoteAddr = net.JoinHostPort(client.String(), "0")
	}
}

// behind walks the chain from its end, which the nearest proxy has written: the first
// address that is no proxy's own is the client's. What stands before it the client may
// have made up.
func (p Proxies) behind(peer netip.Addr, lines []string) netip.Addr {
	client := peer
	chain := strings.Split(strings.Join(lines, ","), ",")
	for i := len(chain) - 1; i >= 0 && p.trusts(client); i-- {
		told, ok := parseHop(strings.TrimSpace(chain[i]))
		if !ok {
			break
		}
		client = told
	}
	return client
}

// parseHop reads an address as proxies write it: some add the port.
func parseHop(hop string) (netip.Addr, bool) {
	if address, err := netip.ParseAddr(strings.Trim(hop, "[]")); err == nil {
		return plain(address), true
	}
	if both, err := netip.ParseAddrPort(hop); err == nil {
		return plain(both.Addr()), true
	}
	return netip.Addr{}, false
}

// Client is the address in RemoteAddr; the zero Addr where there is none, as with a
// Unix socket.
func Client(r *http.Request) netip.Addr {
	both, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plain(both.Addr())
}

func plain(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// Encrypted tells whether the client's side of a request is HTTPS: here, or at a proxy
// in front. It is for requests that have been resolved.
func Encrypted(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	client, _, _ := strings.Cut(r.Header.Get(protoHeader), ",")
	return strings.EqualFold(strings.TrimSpace(client), "https")
}
