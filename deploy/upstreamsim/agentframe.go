package upstreamsim

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// maxAgentFrame bounds a client's frame, packed and unpacked, in bytes.
const maxAgentFrame = 16 << 20

// errFrame is a frame that breaks the protocol; its text says how.
type errFrame string

func (e errFrame) Error() string { return string(e) }

// readAgentFrame reads the next message of a client. The error is an errFrame where the client is
// to blame, io.EOF at the end of the body, and the reader's own otherwise.
func readAgentFrame(from io.Reader) (*agentv1.AgentClientMessage, error) {
	var prefix [prefixLength]byte
	if _, err := io.ReadFull(from, prefix[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errFrame("the body ends in a frame's prefix")
		}
		return nil, err
	}
	if prefix[0]&^flagGzip != 0 {
		return nil, errFrame(fmt.Sprintf("a frame has flags %d instead of 0 or 1", prefix[0]))
	}
	size := binary.BigEndian.Uint32(prefix[1:])
	if size > maxAgentFrame {
		return nil, errFrame(fmt.Sprintf("a frame claims %d bytes", size))
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(from, payload); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return nil, errFrame("the body ends in a frame")
		}
		return nil, err
	}
	if prefix[0]&flagGzip != 0 {
		plain, err := inflate(payload)
		if err != nil {
			return nil, err
		}
		payload = plain
	}
	message := new(agentv1.AgentClientMessage)
	if err := proto.Unmarshal(payload, message); err != nil {
		return nil, errFrame("a frame is not an AgentClientMessage")
	}
	return message, nil
}

func inflate(packed []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, errFrame("a frame with flag 1 is not compressed")
	}
	plain, err := io.ReadAll(io.LimitReader(reader, maxAgentFrame+1))
	if err != nil || len(plain) > maxAgentFrame {
		return nil, errFrame("a compressed frame is broken or too long")
	}
	return plain, nil
}

// agentFrame is a server's message in its envelope.
func agentFrame(message *agentv1.AgentServerMessage) []byte {
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		panic(err) // of valid UTF-8 alone: it was read from protobuf or JSON
	}
	return frame(0, payload)
}

// update is the frame of something that the user sees.
func update(of *agentv1.InteractionUpdate) []byte {
	return agentFrame(&agentv1.AgentServerMessage{Message: &agentv1.AgentServerMessage_InteractionUpdate{InteractionUpdate: of}})
}

func textUpdate(text string) []byte {
	return update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_TextDelta{TextDelta: &agentv1.TextDeltaUpdate{Text: text}}})
}

func thinkingUpdate(text string) []byte {
	return update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_ThinkingDelta{
		ThinkingDelta: &agentv1.ThinkingDeltaUpdate{Text: text},
	}})
}

func thoughtFor(ms int32) []byte {
	return update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_ThinkingCompleted{
		ThinkingCompleted: &agentv1.ThinkingCompletedUpdate{ThinkingDurationMs: ms},
	}})
}

func tokensUpdate(tokens int32) []byte {
	return update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_TokenDelta{TokenDelta: &agentv1.TokenDeltaUpdate{Tokens: tokens}}})
}

func stepStarted(step uint64) []byte {
	return update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_StepStarted{StepStarted: &agentv1.StepStartedUpdate{StepId: step}}})
}

func stepCompleted(step uint64, ms int64) []byte {
	return update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_StepCompleted{
		StepCompleted: &agentv1.StepCompletedUpdate{StepId: step, StepDurationMs: ms},
	}})
}

func turnEnded(usage *agentv1.TurnEndedUpdate) []byte {
	return update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_TurnEnded{TurnEnded: usage}})
}

func checkpoint(state *agentv1.ConversationStateStructure) []byte {
	return agentFrame(&agentv1.AgentServerMessage{Message: &agentv1.AgentServerMessage_ConversationCheckpointUpdate{
		ConversationCheckpointUpdate: state,
	}})
}

func execFrame(question *agentv1.ExecServerMessage) []byte {
	return agentFrame(&agentv1.AgentServerMessage{Message: &agentv1.AgentServerMessage_ExecServerMessage{ExecServerMessage: question}})
}

func abortFrame(id uint32) []byte {
	return agentFrame(&agentv1.AgentServerMessage{Message: &agentv1.AgentServerMessage_ExecServerControlMessage{
		ExecServerControlMessage: &agentv1.ExecServerControlMessage{Message: &agentv1.ExecServerControlMessage_Abort{
			Abort: &agentv1.ExecStreamId{Id: id},
		}},
	}})
}

func kvFrame(question *agentv1.KvServerMessage) []byte {
	return agentFrame(&agentv1.AgentServerMessage{Message: &agentv1.AgentServerMessage_KvServerMessage{KvServerMessage: question}})
}

func queryFrame(query *agentv1.InteractionQuery) []byte {
	return agentFrame(&agentv1.AgentServerMessage{Message: &agentv1.AgentServerMessage_InteractionQuery{InteractionQuery: query}})
}

// agentHeartbeat tells that the upstream is still there.
var agentHeartbeat = sync.OnceValue(func() []byte {
	return update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_Heartbeat{Heartbeat: &agentv1.EmptyArgs{}}})
})
