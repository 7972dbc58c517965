package http1

import (
	"sync"
	"time"
)

// upload sends the rest of a long body while its answer is waited for, which may come before. It
// ends when all is sent, or with the connection. Who ends last, the upload or the reading of the
// answer, gives the connection back.
type upload struct {
	conn *conn

	mu sync.Mutex
	// sent: all of it has been; err: why it can't be.
	sent bool
	err  error
	// answered: the answer has been read, and the connection is clean.
	answered bool
}

// startUpload sends the rest of a message, which is the upload's from now on.
func startUpload(c *conn, m *message) *upload {
	u := &upload{conn: c}
	go u.run(m)
	return u
}

func (u *upload) run(m *message) {
	err := m.sendRest(u.conn)
	m.drop()
	u.mu.Lock()
	u.sent, u.err = err == nil, err
	answered := u.answered
	u.mu.Unlock()
	switch {
	case err == nil && answered:
		u.giveBack()
	case err != nil && (answered || isBodyError(err)): // else there may be an answer that says why
		u.conn.cut()
	}
}

// handOver tells that the answer has been read and the connection is clean, but for the upload.
func (u *upload) handOver() {
	u.mu.Lock()
	u.answered = true
	sent, failed := u.sent, u.err != nil
	if !sent && !failed && u.conn.SetWriteDeadline(time.Now().Add(uploadGrace)) != nil {
		failed = true
	}
	u.mu.Unlock()
	switch {
	case failed:
		u.conn.cut()
	case sent:
		u.giveBack()
	}
}

func (u *upload) giveBack() {
	if u.conn.SetWriteDeadline(time.Time{}) != nil {
		u.conn.cut()
		return
	}
	u.conn.pool.put(u.conn)
}

// failure is why the body could not be sent; nil: it was, or is on its way, or there is none.
func (u *upload) failure() error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}
