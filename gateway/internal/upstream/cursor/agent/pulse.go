package agent

import (
	"context"
	"time"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

const (
	// beat is between two signs of life, execBeat between two for each call that waits: for the
	// rest of its turn, or for its result.
	beat     = 5 * time.Second
	execBeat = 3 * time.Second
)

// pulse sends signs of life until the context ends. pending are the execs that have no answer
// yet, at the time.
func pulse(ctx context.Context, send func(*agentv1.AgentClientMessage), pending func() []uint32) {
	beats, execBeats := time.NewTicker(beat), time.NewTicker(execBeat)
	defer beats.Stop()
	defer execBeats.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beats.C:
			send(&agentv1.AgentClientMessage{Message: &agentv1.AgentClientMessage_ClientHeartbeat{ClientHeartbeat: &agentv1.ClientHeartbeat{}}})
		case <-execBeats.C:
			for _, id := range pending() {
				send(&agentv1.AgentClientMessage{Message: &agentv1.AgentClientMessage_ExecClientControlMessage{
					ExecClientControlMessage: &agentv1.ExecClientControlMessage{
						Message: &agentv1.ExecClientControlMessage_Heartbeat{Heartbeat: &agentv1.ExecStreamId{Id: id}},
					},
				}})
			}
		}
	}
}
