package agent

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

var beatMessage = &agentv1.AgentClientMessage{Message: &agentv1.AgentClientMessage_ClientHeartbeat{ClientHeartbeat: &agentv1.ClientHeartbeat{}}}

func TestAnOutboxSendsInOrder(t *testing.T) {
	t.Parallel()
	box := newOutbox([]byte("first"))
	box.send(beatMessage)
	box.send(fromClient(t, "close-1"))
	box.finish()
	box.send(beatMessage) // too late
	sent, err := io.ReadAll(box)
	if want := "first" + string(vectorOf(t, "client-heartbeat")) + string(vectorOf(t, "close-1")); err != nil || string(sent) != want {
		t.Errorf("%x, %v", sent, err)
	}
}

// Who waits for more is woken by what comes, and by the end.
func TestAnOutboxWakesItsReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := newOutbox(nil)
		read := make(chan error)
		go func() {
			for range 3 {
				_, err := box.Read(make([]byte, 64))
				read <- err
			}
		}()
		synctest.Wait()
		box.send(beatMessage)
		if err := <-read; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		box.abandon()
		for range 2 { // the second time without having slept
			if err := <-read; !errors.Is(err, errLeft) {
				t.Error(err)
			}
		}
	})
}

func TestAnOutboxHasABound(t *testing.T) {
	t.Parallel()
	box := newOutbox(nil)
	box.queue = make([]byte, maxQueued)
	box.send(beatMessage)
	if !errors.Is(box.over, errTooMuch) || len(box.queue) != maxQueued {
		t.Errorf("%v, and %d bytes wait", box.over, len(box.queue))
	}
}
