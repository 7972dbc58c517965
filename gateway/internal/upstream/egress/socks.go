package egress

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strconv"
)

// Bytes of SOCKS 5 (RFC 1928) and of its user names and passwords (RFC 1929).
const (
	socksVersion    = 5
	passwordVersion = 1
	withoutPassword = 0
	withPassword    = 2
	toConnect       = 1
	addressIPv4     = 1
	addressName     = 3
	addressIPv6     = 4
)

// socksReplies are in words, by number. Those from firstBehind to lastBehind are about the
// target.
var socksReplies = []string{
	"", "general failure", "not allowed by its rules", "network unreachable", "host unreachable", "connection refused",
	"TTL expired", "command not supported", "kind of address not supported",
}

const firstBehind, lastBehind = 3, 6

// socks asks a SOCKS 5 proxy for a tunnel to the target, whose name the proxy resolves.
func (p *proxy) socks(conn net.Conn, target string) (net.Conn, error) {
	asked, err := socksAddress(target)
	if err != nil {
		return nil, err
	}
	if err := p.greet(conn); err != nil {
		return nil, err
	}
	answer, err := p.exchange(conn, append([]byte{socksVersion, toConnect, 0}, asked...), 4)
	if err != nil {
		return nil, err
	}
	switch reply := int(answer[1]); {
	case answer[0] != socksVersion:
		return nil, p.noSocks()
	case reply >= firstBehind && reply <= lastBehind:
		return nil, p.behind(target, socksReplies[reply])
	case reply >= len(socksReplies):
		return nil, p.blame("refuses a way to %s (reply %d)", target, reply)
	case reply != 0:
		return nil, p.blame("refuses a way to %s (%s)", target, socksReplies[reply])
	}
	return conn, p.skipAddress(conn, answer[3])
}

// greet agrees on how to log in, and does it.
func (p *proxy) greet(conn net.Conn) error {
	hello := []byte{socksVersion, 1, withoutPassword}
	if p.known {
		hello = []byte{socksVersion, 2, withoutPassword, withPassword}
	}
	chosen, err := p.exchange(conn, hello, 2)
	switch {
	case err != nil:
		return err
	case chosen[0] != socksVersion:
		return p.noSocks()
	case chosen[1] == withoutPassword:
		return nil
	case chosen[1] == withPassword && p.known:
		return p.logIn(conn)
	case p.known:
		return p.blame("takes no user name and password")
	default:
		return p.blame("wants a user name and a password")
	}
}

func (p *proxy) logIn(conn net.Conn) error {
	login := appendText([]byte{passwordVersion}, p.user.Reveal())
	login = appendText(login, p.password.Reveal())
	answer, err := p.exchange(conn, login, 2)
	switch {
	case err != nil:
		return err
	case answer[1] != 0:
		return p.blame("does not accept the user name or the password")
	default:
		return nil
	}
}

// socksAddress is a target as SOCKS has it.
func socksAddress(target string) ([]byte, error) {
	host, portText, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, &net.AddrError{Err: "is no port", Addr: portText}
	}
	var address []byte
	switch ip, err := netip.ParseAddr(host); {
	case err == nil && ip.Is4():
		address = append([]byte{addressIPv4}, ip.AsSlice()...)
	case err == nil:
		address = append([]byte{addressIPv6}, ip.AsSlice()...)
	case len(host) > 255:
		return nil, &net.AddrError{Err: "is too long a name", Addr: host}
	default:
		address = appendText([]byte{addressName}, host)
	}
	return binary.BigEndian.AppendUint16(address, uint16(port)), nil
}

// appendText appends at most 255 bytes, and before them how many they are.
func appendText(message []byte, text string) []byte {
	return append(append(message, byte(len(text))), text...) //nolint:gosec // that many
}

// skipAddress reads past the address and port that end a reply.
func (p *proxy) skipAddress(conn net.Conn, kind byte) error {
	var size int
	switch kind {
	case addressIPv4:
		size = net.IPv4len
	case addressIPv6:
		size = net.IPv6len
	case addressName:
		length, err := p.exchange(conn, nil, 1)
		if err != nil {
			return err
		}
		size = int(length[0])
	default:
		return p.noSocks()
	}
	_, err := p.exchange(conn, nil, size+2)
	return err
}

// exchange sends a message and reads so many bytes: not one more, since what follows is the
// target's.
func (p *proxy) exchange(conn net.Conn, message []byte, size int) ([]byte, error) {
	if len(message) > 0 {
		if _, err := conn.Write(message); err != nil {
			return nil, p.blame("breaks off the connection: %v", err)
		}
	}
	answer := make([]byte, size)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, p.blame("breaks off the connection: %v", err)
	}
	return answer, nil
}

func (p *proxy) noSocks() error { return p.blame("does not answer as SOCKS 5 proxies do") }
