package proxysim

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strconv"
)

// Bytes of SOCKS 5 (RFC 1928, RFC 1929).
const (
	version, passwordVersion             = 5, 1
	withoutPassword, withPassword, noWay = 0, 2, 0xff
	granted, refused                     = 0, 5
	toConnect                            = 1
	addressIPv4, addressName, addressV6  = 1, 3, 4
)

// serveSOCKS takes one CONNECT.
func (p *Proxy) serveSOCKS(conn net.Conn) {
	if !p.welcome(conn) {
		return
	}
	asked, ok := readTarget(conn)
	if !ok {
		return
	}
	target, err := p.reach(asked)
	if err != nil {
		reply(conn, refused)
		return
	}
	defer p.leave(target)
	reply(conn, granted)
	p.join(conn, conn, target)
}

// welcome agrees on how to log in, and checks it.
func (p *Proxy) welcome(conn net.Conn) bool {
	head := read(conn, 2)
	if head == nil || head[0] != version {
		return false
	}
	offered := read(conn, int(head[1]))
	switch {
	case p.isOpen() && slices.Contains(offered, withoutPassword):
		return write(conn, version, withoutPassword)
	case !slices.Contains(offered, withPassword):
		p.accepts("", "")
		write(conn, version, noWay)
		return false
	}
	write(conn, version, withPassword)
	if head = read(conn, 2); head == nil || head[0] != passwordVersion {
		return false
	}
	user := read(conn, int(head[1]))
	length := read(conn, 1)
	if length == nil {
		return false
	}
	if !p.accepts(string(user), string(read(conn, int(length[0])))) {
		write(conn, passwordVersion, 1)
		return false
	}
	return write(conn, passwordVersion, 0)
}

// readTarget reads where a client wants to go.
func readTarget(conn net.Conn) (target string, ok bool) {
	head := read(conn, 4)
	if head == nil || head[0] != version || head[1] != toConnect {
		return "", false
	}
	host := ""
	switch head[3] {
	case addressIPv4:
		host = net.IP(read(conn, net.IPv4len)).String()
	case addressV6:
		host = net.IP(read(conn, net.IPv6len)).String()
	case addressName:
		if length := read(conn, 1); length != nil {
			host = string(read(conn, int(length[0])))
		}
	}
	port := read(conn, 2)
	if port == nil {
		return "", false
	}
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port)))), true
}

// reply answers a CONNECT, with an address that means nothing.
func reply(conn net.Conn, code byte) {
	write(conn, version, code, 0, addressIPv4, 0, 0, 0, 0, 0, 0)
}

// read reads so many bytes; nil: they don't come.
func read(conn net.Conn, size int) []byte {
	data := make([]byte, size)
	if _, err := io.ReadFull(conn, data); err != nil {
		return nil
	}
	return data
}

// write tells whether the client is there.
func write(conn net.Conn, data ...byte) bool {
	_, err := conn.Write(data)
	return err == nil
}
