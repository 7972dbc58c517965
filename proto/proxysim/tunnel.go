package proxysim

import (
	"io"
	"net"
	"sync"
	"time"
)

// join carries bytes both ways until one side ends. ahead reads from the client.
func (p *Proxy) join(client net.Conn, ahead io.Reader, target net.Conn) {
	_ = client.SetDeadline(time.Time{})
	var back sync.WaitGroup
	back.Go(func() {
		p.carry(client, target, func(c *Counts, n int64) { c.Received += n })
	})
	p.carry(target, ahead, func(c *Counts, n int64) { c.Sent += n })
	back.Wait()
}

// carry copies until the end, which it passes on by closing: HTTP has no use for a connection
// that is half open.
func (p *Proxy) carry(to net.Conn, from io.Reader, counted func(*Counts, int64)) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.count(func(c *Counts) { counted(c, int64(n)) })
		if n > 0 {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				err = failed
			}
		}
		if err != nil {
			return
		}
	}
}
