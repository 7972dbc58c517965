package imagefetch_test

import (
	"net/netip"
	"testing"

	"carousel.internal/gateway/internal/imagefetch"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		addrs  []string
		public bool
	}{
		"hosts of the Internet": {[]string{
			"8.8.8.8", "1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
			"192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450::1",
		}, true},
		"unspecified":          {[]string{"0.0.0.0", "::"}, false},
		"this network":         {[]string{"0.1.2.3"}, false},
		"private":              {[]string{"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"}, false},
		"carrier's":            {[]string{"100.64.0.1", "100.127.255.255"}, false},
		"loopback":             {[]string{"127.0.0.1", "127.255.255.255", "::1"}, false},
		"link-local":           {[]string{"169.254.169.254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0"}, false},
		"unique local":         {[]string{"fc00::1", "fd00:ec2::254"}, false},
		"site-local":           {[]string{"fec0::1"}, false},
		"multicast":            {[]string{"224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"}, false},
		"reserved, broadcast":  {[]string{"240.0.0.1", "255.255.255.255"}, false},
		"protocol assignments": {[]string{"192.0.0.1", "192.0.0.170", "2001:1::1"}, false},
		"documentation":        {[]string{"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"}, false},
		"benchmarks":           {[]string{"198.18.0.1", "198.19.255.255", "2001:2::1"}, false},
		"IPv4, mapped":         {[]string{"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"}, false},
		"IPv4, compatible":     {[]string{"::127.0.0.1", "::8.8.8.8"}, false},
		"NAT64":                {[]string{"64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1"}, false},
		"6to4":                 {[]string{"2002:7f00:1::", "2002:808:808::1", "192.88.99.1"}, false},
		"Teredo":               {[]string{"2001::1", "2001:0:7f00:1::"}, false},
		"discard, SRv6":        {[]string{"100::1", "5f00::1"}, false},
	} {
		for _, addr := range test.addrs {
			if imagefetch.Public(netip.MustParseAddr(addr)) != test.public {
				t.Errorf("%s: %s: public is %t", name, addr, !test.public)
			}
		}
	}
	if imagefetch.Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}
