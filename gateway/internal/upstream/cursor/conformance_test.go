package cursor

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"testing"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/upstreamtest"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	frameType = "application/connect+proto"
	headLen   = 5
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for protocol, wire := range map[string]upstreamtest.Wire{
		chatProtocol:  chatWire(),
		agentProtocol: agentWire(),
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			upstreamtest.Run(t, upstreamtest.Harness{
				New: func(baseURL string, settings map[string]string) (upstream.Driver, error) {
					all := map[string]string{"protocol": protocol}
					maps.Copy(all, settings)
					return New(upstream.Config{Name: "test", Driver: Name, BaseURL: baseURL, Settings: all})
				},
				Wire: wire,
			})
		})
	}
}

// chatWire is how the older protocol looks.
func chatWire() upstreamtest.Wire {
	numbers := map[upstream.Class]int32{
		upstream.CallerFault:     36,
		upstream.Auth:            2,
		upstream.ModelNotAllowed: 23,
		upstream.ModelUnknown:    5,
		upstream.Quota:           10,
		upstream.RateLimit:       22,
		upstream.TooLarge:        43,
		upstream.OutdatedClient:  30,
		upstream.Broken:          13,
	}
	wire := framed(numbers)
	wire.Text = func(text string) []byte {
		payload := binary.AppendUvarint([]byte{0x0a}, uint64(len(text)))
		return frame(0, append(payload, text...))
	}
	wire.End = frame(2, []byte("{}"))
	wire.Silent = frame(0, nil)
	return wire
}

// agentWire is how today's protocol looks.
func agentWire() upstreamtest.Wire {
	numbers := map[upstream.Class]int32{
		upstream.CallerFault:     36,
		upstream.Auth:            2,
		upstream.ModelNotAllowed: 44,
		upstream.ModelUnknown:    61,
		upstream.Quota:           10,
		upstream.RateLimit:       50,
		upstream.TooLarge:        43,
		upstream.OutdatedClient:  30,
		upstream.Broken:          57,
		upstream.Region:          64,
	}
	wire := framed(numbers)
	wire.HTTP2 = true
	wire.Request = firstFrame
	wire.Text = func(text string) []byte {
		return update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_TextDelta{TextDelta: &agentv1.TextDeltaUpdate{Text: text}}})
	}
	wire.End = append(update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_TurnEnded{TurnEnded: &agentv1.TurnEndedUpdate{}}}), frame(2, []byte("{}"))...)
	wire.Silent = update(&agentv1.InteractionUpdate{Message: &agentv1.InteractionUpdate_Heartbeat{Heartbeat: &agentv1.EmptyArgs{}}})
	return wire
}

// framed is what both have in common. numbers are the errors of each class.
func framed(numbers map[upstream.Class]int32) upstreamtest.Wire {
	header := http.Header{"Content-Type": {frameType}}
	fail := func(class upstream.Class, message string) []byte {
		number, known := numbers[class]
		if !known {
			return nil
		}
		return frame(2, trailer(number, message))
	}
	return upstreamtest.Wire{
		Header: header,
		Fail: func(class upstream.Class, message string) upstreamtest.Answer {
			body := fail(class, message)
			if body == nil {
				return upstreamtest.Answer{}
			}
			return upstreamtest.Answer{Status: http.StatusOK, Header: header, Body: body}
		},
		FailLate: fail,
	}
}

// trailer is the end frame's JSON of an error.
func trailer(number int32, message string) []byte {
	value, err := proto.Marshal(&aiserverv1.ErrorDetails{
		Error:   aiserverv1.ErrorDetails_Error(number),
		Details: &aiserverv1.CustomErrorDetails{Title: "Refused", Detail: message},
	})
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(map[string]any{"error": map[string]any{
		"code": "internal", "message": "Error",
		"details": []map[string]any{{"type": "aiserver.v1.ErrorDetails", "value": base64.RawStdEncoding.EncodeToString(value)}},
	}})
	if err != nil {
		panic(err)
	}
	return text
}

// update is a frame with what the upstream's user would see.
func update(update *agentv1.InteractionUpdate) []byte {
	payload, err := proto.Marshal(&agentv1.AgentServerMessage{
		Message: &agentv1.AgentServerMessage_InteractionUpdate{InteractionUpdate: update},
	})
	if err != nil {
		panic(err)
	}
	return frame(0, payload)
}

// frame is one envelope, made by hand.
func frame(flags byte, payload []byte) []byte {
	head := make([]byte, headLen, headLen+len(payload))
	head[0] = flags
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload)))
	return append(head, payload...)
}

// firstFrame reads the payload of a stream's first frame.
func firstFrame(body io.Reader) ([]byte, error) {
	var head [headLen]byte
	if _, err := io.ReadFull(body, head[:]); err != nil {
		return nil, err
	}
	if head[0] != 0 {
		return nil, errors.New("the first frame has flags")
	}
	payload := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(body, payload)
	return payload, err
}
