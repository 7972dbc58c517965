package imagefetch

import "net/netip"

// global is all of IPv6 that is given to hosts of the Internet. What lies outside
// is refused: loopback, link-local, unique local, multicast, IPv4 in disguise
// (::ffff:0:0/96, 64:ff9b::/96), and whatever will be invented.
var global = netip.MustParsePrefix("2000::/3")

// special are the ranges that are no host of the Internet's, from IANA's registries
// of special-purpose addresses, and those in which an IPv4 address is hidden.
var special = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // shared by the customers of a carrier (CGNAT)
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local; clouds answer who one is there
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // relays from IPv6
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, broadcast
	"2001::/23",       // protocol assignments, Teredo among them
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4: an IPv4 address inside
	"3fff::/20",       // documentation
)

func prefixes(texts ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		parsed[i] = netip.MustParsePrefix(text)
	}
	return parsed
}

// Public tells whether an address is that of a host on the Internet, and not one
// that only this machine or its network can reach.
func Public(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" || addr.Is6() && !global.Contains(addr) {
		return false
	}
	for _, prefix := range special {
		if prefix.Contains(addr) {
			return false
		}
	}
	return true
}
