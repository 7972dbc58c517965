package upstreamsim

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// agentVectors are frames of Cursor's agent protocol: a line that names each, and its bytes.
//
//go:embed testdata/agent-vectors.txt
var agentVectors string

type vector struct {
	name, from, what string
	frame            []byte
}

func vectors(t *testing.T) []vector {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(agentVectors), "\n")
	var all []vector
	for at := 0; at+1 < len(lines); at += 2 {
		head, what, _ := strings.Cut(lines[at], ": ")
		name, from, _ := strings.Cut(head, " ")
		content, err := hex.DecodeString(lines[at+1])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if from != "client" && from != "server" {
			from = "bare"
		}
		all = append(all, vector{name, from, what, content})
	}
	if len(all) != 56 {
		t.Fatalf("there are %d vectors", len(all))
	}
	return all
}

func vectorOf(t *testing.T, name string) []byte {
	t.Helper()
	for _, v := range vectors(t) {
		if v.name == name {
			return v.frame
		}
	}
	t.Fatalf("there is no vector %s", name)
	return nil
}

func TestAgentReadsVectorsOfClients(t *testing.T) {
	for _, v := range vectors(t) {
		if v.from != "client" || v.name == "V49" {
			continue
		}
		for _, reader := range []io.Reader{bytes.NewReader(v.frame), iotest.OneByteReader(bytes.NewReader(v.frame))} {
			message, err := readAgentFrame(reader)
			if err != nil {
				t.Fatalf("%s: %v", v.name, err)
			}
			if message.GetMessage() == nil || len(message.ProtoReflect().GetUnknown()) > 0 {
				t.Errorf("%s: %s is not understood", v.name, v.what)
			}
			again, err := readAgentFrame(bytes.NewReader(clientFrame(t, message)))
			if err != nil || !proto.Equal(again, message) || len(clientFrame(t, message)) != len(v.frame) {
				t.Errorf("%s: written again it is %v", v.name, again)
			}
		}
		for cut := 1; cut < len(v.frame); cut++ {
			_, err := readAgentFrame(bytes.NewReader(v.frame[:cut]))
			if _, broken := errors.AsType[errFrame](err); !broken {
				t.Fatalf("%s of %d bytes: %v", v.name, cut, err)
			}
		}
	}
}

func TestAgentWritesVectorsOfServers(t *testing.T) {
	for _, v := range vectors(t) {
		if v.from != "server" || v.frame[0] != 0 {
			continue
		}
		message := new(agentv1.AgentServerMessage)
		if err := proto.Unmarshal(v.frame[prefixLength:], message); err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		if again := agentFrame(message); !sameFrame(t, again, v.frame) {
			t.Errorf("%s: written again it is %x", v.name, again)
		}
	}
	blob := []byte(`{"role":"assistant","content":[{"type":"text","text":"Hello"}]}`)
	id := unhex(t, "7d871af94a2e8e0b8bd76cd4e8ed8c365e7343a45c660fa875e5d3577bf9e6b5")
	for name, frame := range map[string][]byte{
		"V04": execFrame(&agentv1.ExecServerMessage{Id: 1, ExecId: "ctx-1", Message: &agentv1.ExecServerMessage_RequestContextArgs{RequestContextArgs: &agentv1.RequestContextArgs{}}}),
		"V09": kvFrame(&agentv1.KvServerMessage{Id: 1, Message: &agentv1.KvServerMessage_SetBlobArgs{SetBlobArgs: &agentv1.SetBlobArgs{BlobId: id, BlobData: blob}}}),
		"V11": textUpdate("Hi"), "V12": thinkingUpdate("hm"), "V13": tokensUpdate(7), "V21": turnEnded(&agentv1.TurnEndedUpdate{}),
		"V20": turnEnded(&agentv1.TurnEndedUpdate{
			InputTokens: proto.Int64(10837), OutputTokens: proto.Int64(42), CacheReadTokens: proto.Int64(5888),
			CacheWriteTokens: proto.Int64(0), ReasoningTokens: proto.Int64(12),
		}),
		"V22": agentEnd, "V26": agentHeartbeat(), "V55": thoughtFor(1500), "V56": stepCompleted(1, 900),
		"V33": func() []byte { q := unknownQuestion(); q.Id, q.ExecId = 6, "x-6"; return execFrame(q) }(),
		"V24": endOf(t, outdatedFailure("")), "V25": endOf(t, badArgument("unknown option '--system-prompt'")),
	} {
		if want := vectorOf(t, name); !sameFrame(t, frame, want) {
			t.Errorf("%s: %x", name, frame)
		}
	}
}

// endOf is the end frame of a failure.
func endOf(t *testing.T, err error) []byte {
	t.Helper()
	told, ok := errors.AsType[*failure](err)
	if !ok {
		t.Fatal(err)
	}
	return frame(flagEnd, told.trailer)
}

// sameFrame tells whether two frames are the same but for the order of fields, and of end frames
// whether they say the same of what a client reads.
func sameFrame(t *testing.T, a, b []byte) bool {
	t.Helper()
	if a[0] == 0 && b[0] == 0 {
		one, other := new(agentv1.AgentServerMessage), new(agentv1.AgentServerMessage)
		if err := errors.Join(proto.Unmarshal(a[prefixLength:], one), proto.Unmarshal(b[prefixLength:], other)); err != nil {
			t.Fatal(err)
		}
		return len(a) == len(b) && proto.Equal(one, other)
	}
	if bytes.Equal(a, b) || a[0] != b[0] {
		return a[0] == b[0]
	}
	code, message, enum := agentError(t, string(a[prefixLength:]))
	otherCode, otherMessage, otherEnum := agentError(t, string(b[prefixLength:]))
	return code == otherCode && message == otherMessage && enum == otherEnum
}

func TestAgentProviderErrorIsTheVector(t *testing.T) {
	trailer, err := agentTrailer(enumProvider, "")
	if err != nil {
		t.Fatal(err)
	}
	if want := vectorOf(t, "V23"); !bytes.Equal(frame(flagEnd, trailer), want) {
		t.Errorf("%s", trailer)
	}
}

func TestAgentModelsAreAsTheVectorsAre(t *testing.T) {
	sim := New(Options{})
	if err := sim.SetAgentModels([]AgentModel{
		{Name: "grok-4.6", Display: "Grok 4.6", Window: 500_000, Thinking: true, Images: true, Variants: []AgentVariant{
			{Slug: "cursor-grok-4.6-high", Values: [][2]string{{"effort", "high"}, {"fast", "false"}}, Default: true},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	answer, err := availableModels(sim, vectorOf(t, "V51"))
	if err != nil {
		t.Fatal(err)
	}
	want := new(agentv1.AiAvailableModelsResponse)
	if err := proto.Unmarshal(vectorOf(t, "V52"), want); err != nil {
		t.Fatal(err)
	}
	got := answer.(*agentv1.AiAvailableModelsResponse)
	if !got.GetUseModelParameters() || len(got.GetModels()) != 1 {
		t.Fatalf("models: %v", got)
	}
	for at, variant := range want.GetModels()[0].GetVariants() {
		has := got.GetModels()[0].GetVariants()[at]
		if has.GetVariantStringRepresentation() != variant.GetVariantStringRepresentation() || has.GetLegacySlug() != variant.GetLegacySlug() ||
			len(has.GetParameterValues()) != len(variant.GetParameterValues()) {
			t.Errorf("variant: %v, want %v", has, variant)
		}
	}
}

func TestAgentRefusesBrokenFrames(t *testing.T) {
	for name, frame := range map[string][]byte{
		"flag 4":             {4, 0, 0, 0, 0},
		"end of stream":      {2, 0, 0, 0, 2, '{', '}'},
		"too long":           {0, 0xff, 0xff, 0xff, 0xff},
		"no gzip":            {1, 0, 0, 0, 1, 'x'},
		"no message":         {0, 0, 0, 0, 2, 0x0a, 0x7f},
		"half a prefix":      {0, 0},
		"half of its length": {0, 0, 0, 0, 9, 1},
	} {
		_, err := readAgentFrame(bytes.NewReader(frame))
		if _, broken := errors.AsType[errFrame](err); !broken {
			t.Errorf("%s: %v", name, err)
		}
	}
	bomb, err := gzipBomb()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAgentFrame(bytes.NewReader(bomb)); err == nil {
		t.Error("a bomb was inflated")
	}
	if _, err := readAgentFrame(bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("the end of the body: %v", err)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
