package agent

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// vector is a message of the protocol, byte for byte.
type vector struct {
	way, name string
	bytes     []byte
}

// vectors are those of testdata/vectors.txt.
var vectors = func() []vector {
	text, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		panic(err)
	}
	var all []vector
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] == "#" {
			continue
		}
		data, err := hex.DecodeString(fields[2])
		if err != nil {
			panic(err)
		}
		all = append(all, vector{fields[0], fields[1], data})
	}
	return all
}()

// vectorOf is the vector of a name.
func vectorOf(t testing.TB, name string) []byte {
	t.Helper()
	for _, each := range vectors {
		if each.name == name {
			return each.bytes
		}
	}
	t.Fatalf("there is no vector %q", name)
	return nil
}

// fromServer is a message that the upstream sends.
func fromServer(t testing.TB, name string) *agentv1.AgentServerMessage {
	t.Helper()
	message := &agentv1.AgentServerMessage{}
	if err := proto.Unmarshal(vectorOf(t, name)[headLen:], message); err != nil {
		t.Fatal(err)
	}
	return message
}

// fromClient is a message that the upstream is sent.
func fromClient(t testing.TB, name string) *agentv1.AgentClientMessage {
	t.Helper()
	message := &agentv1.AgentClientMessage{}
	if err := proto.Unmarshal(vectorOf(t, name)[headLen:], message); err != nil {
		t.Fatal(err)
	}
	return message
}

// Whatever is read of a vector is written as it was. Maps have no order, so what is equal
// decoded is equal.
func TestVectorsThereAndBack(t *testing.T) {
	t.Parallel()
	for _, each := range vectors {
		if each.way == "bare" || each.bytes[0] != 0 {
			continue
		}
		var message, again proto.Message = &agentv1.AgentServerMessage{}, &agentv1.AgentServerMessage{}
		if each.way == "client" {
			message, again = &agentv1.AgentClientMessage{}, &agentv1.AgentClientMessage{}
		}
		if each.name == "poll-request" {
			message, again = &agentv1.AiBidiRequestId{}, &agentv1.AiBidiRequestId{}
		}
		next, err := newDecoder(bytes.NewReader(each.bytes)).next()
		if err != nil || next.end || proto.Unmarshal(next.payload, message) != nil {
			t.Fatalf("%s: %v", each.name, err)
		}
		payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		if err != nil || proto.Unmarshal(payload, again) != nil || len(payload) != len(next.payload) {
			t.Errorf("%s: %v, %d bytes of %d", each.name, err, len(payload), len(next.payload))
		}
		if diff := cmp.Diff(message, again, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", each.name, diff)
		}
		if framed := envelope(payload); len(framed) != len(each.bytes) || !bytes.Equal(framed[:headLen], each.bytes[:headLen]) {
			t.Errorf("%s: framed as %x", each.name, framed[:headLen])
		}
	}
}
