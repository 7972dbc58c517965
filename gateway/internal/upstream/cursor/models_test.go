package cursor

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	agentmodels "carousel.internal/gateway/internal/upstream/cursor/agent/models"
	"carousel.internal/gateway/internal/upstream/upstreamtest"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
	"carousel.internal/proto/service/secret"
)

// The 21 models are a promise of the API: ids, order and owners.
func TestModels(t *testing.T) {
	t.Parallel()
	want := strings.Fields(`claude-3.5-sonnet/anthropic gpt-4/openai gpt-4o/openai claude-3-opus/anthropic cursor-fast/cursor
		cursor-small/cursor gpt-3.5-turbo/openai gpt-4-turbo-2024-04-09/openai gpt-4o-128k/openai gemini-1.5-flash-500k/google
		claude-3-haiku-200k/anthropic claude-3-5-sonnet-200k/anthropic claude-3-5-sonnet-20241022/anthropic gpt-4o-mini/openai
		o1-mini/openai o1-preview/openai o1/openai claude-3.5-haiku/anthropic gemini-exp-1206/google
		gemini-2.0-flash-thinking-exp/google gemini-2.0-flash-exp/google`)
	var got []string
	made, err := New(upstream.Config{Settings: map[string]string{"protocol": "chat"}})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	listed, err := made.Models(t.Context(), upstream.Credential{})
	if err != nil || !slices.Equal(listed, made.(*driver).BuiltInModels()) || made.(*driver).AsksModels() {
		t.Fatalf("%d models, %v", len(listed), err)
	}
	for _, each := range listed {
		got = append(got, each.ID+"/"+each.OwnedBy)
		if each.Created != 1706659200 {
			t.Errorf("%s was created at %d", each.ID, each.Created)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for id := range agentmodels.Former() {
		if !slices.ContainsFunc(listed, func(m chat.Model) bool { return m.ID == id }) {
			t.Errorf("%s goes to one of today's and is not in the list", id)
		}
	}
	if len(agentmodels.Former()) != len(listed) {
		t.Error("not each of the list goes to one of today's")
	}
	listed[0].ID = "changed"
	if models[0].ID == "changed" {
		t.Error("the list is shared with callers")
	}
}

// A wish for effort finds the variant that the upstream has told of.
func TestEffortFindsTheVariantOfTheList(t *testing.T) {
	t.Parallel()
	variant := func(effort string, usual bool) *agentv1.AiModelVariant {
		return &agentv1.AiModelVariant{
			ParameterValues: []*agentv1.ModelParameter{{Id: "effort", Value: effort}}, IsDefaultNonMaxConfig: proto.Bool(usual),
			LegacySlug: proto.String("new-1-" + effort),
		}
	}
	asked := make(chan *agentv1.RequestedModel, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/aiserver.v1.AiService/AvailableModels" {
			answer, err := proto.Marshal(&agentv1.AiAvailableModelsResponse{Models: []*agentv1.AiAvailableModel{
				{Name: "new-1", Variants: []*agentv1.AiModelVariant{variant("low", true), variant("high", false)}},
			}})
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(answer)
			return
		}
		head := make([]byte, headLen)
		if _, err := io.ReadFull(r.Body, head); err != nil {
			t.Error(err)
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:]))
		_, err := io.ReadFull(r.Body, body)
		run := &agentv1.AgentClientMessage{}
		if err := errors.Join(err, proto.Unmarshal(body, run)); err != nil {
			t.Error(err)
		}
		asked <- run.GetRunRequest().GetRequestedModel()
		w.Header().Set("Content-Type", frameType)
		wire := agentWire()
		_, _ = w.Write(append(wire.Text("Hi"), wire.End...))
	}))
	upstreamtest.OverHTTP2(server)
	server.Start()
	defer server.Close()
	made, err := New(upstream.Config{BaseURL: server.URL, Settings: map[string]string{"protocol": "agent"}})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	credential := upstream.Credential{Secret: secret.New("token")}
	if _, err := made.Models(t.Context(), credential); err != nil {
		t.Fatal(err)
	}
	for effort, want := range map[chat.Effort]string{"": "low", chat.EffortHigh: "high", chat.EffortMedium: "high"} {
		request := &chat.Request{Messages: []chat.Message{said(chat.User, "Hi")}, Thinking: chat.Thinking{Effort: effort}}
		for _, err := range made.Chat(t.Context(), &upstream.Call{Request: request, Model: "new-1", Credential: credential}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		got := (<-asked).GetParameters()
		if len(got) != 1 || got[0].GetValue() != want {
			t.Errorf("effort %q asks for %v", effort, got)
		}
	}
}

// Today's protocol asks the upstream, and knows the promised ids all the same.
func TestModelsOfTheUpstream(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/aiserver.v1.AiService/AvailableModels" {
			t.Errorf("asked %s", r.URL.Path)
		}
		answer, err := proto.Marshal(&agentv1.AiAvailableModelsResponse{Models: []*agentv1.AiAvailableModel{{Name: "new-1"}, {Name: "gpt-4o"}}})
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(answer)
	}))
	upstreamtest.OverHTTP2(server)
	server.Start()
	defer server.Close()
	made, err := New(upstream.Config{BaseURL: server.URL, Settings: map[string]string{"protocol": "agent"}})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	list, err := made.Models(t.Context(), upstream.Credential{Secret: secret.New("token")})
	if err != nil || len(list) != 2 || list[0].ID != "new-1" {
		t.Errorf("%v, %v", list, err)
	}
	if built := made.(upstream.BuiltIn); !built.AsksModels() || !slices.Equal(built.BuiltInModels(), models) {
		t.Errorf("asks: %t, knows %v", built.AsksModels(), built.BuiltInModels())
	}
}
