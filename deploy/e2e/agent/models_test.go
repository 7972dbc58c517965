package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go/v2"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// The upstream is asked for its models as soon as there is a token to ask with: they are listed
// beside the names of old, a wish for effort becomes the variant that has it, and a name of old
// goes on to what has taken its place.
func TestModelsAreTheUpstreams(t *testing.T) {
	s, _ := start(t, stack.Options{}, 0)
	if listed := models(t, s.Gateways[0]); slices.Contains(listed, "composer-2.5") {
		t.Errorf("listed without a token: %q", listed)
	}
	s.AddTokens("cursor", "c", 1, 0)
	stack.Eventually(t, "every model of the upstream is listed", 10*time.Second, func() bool {
		listed := models(t, s.Gateways[0])
		for _, model := range s.Sim.AgentModels() {
			if !slices.Contains(listed, model.Name) {
				return false
			}
		}
		return slices.Contains(listed, "claude-3.5-sonnet") && slices.Contains(listed, "claude-opus-5-thinking-high")
	})

	chat := chatWithoutTools(t, s.Gateways[0], "cursor/gpt-5.5", "Hi.")
	chat.params.ReasoningEffort = "high"
	messages := newMessagesAgent(t, s.Gateways[0], "cursor/claude-opus-5", "Hi.")
	messages.params.Tools, messages.params.Thinking = nil, anthropic.ThinkingConfigParamOfEnabled(20_000)
	slug := chatWithoutTools(t, s.Gateways[0], "cursor/claude-opus-5-thinking-max", "Hi.")
	for _, each := range []struct {
		agent agent
		want  string
	}{
		{chat, "gpt-5.5 reasoning=high fast=false"},
		{messages, "claude-opus-5 thinking=true context=300k effort=high"},
		{slug, "claude-opus-5 thinking=true context=300k effort=max"},
		{chatWithoutTools(t, s.Gateways[0], "cursor/claude-3.5-sonnet", "Hi."), "claude-4.5-sonnet"},
		{chatWithoutTools(t, s.Gateways[0], "claude-3.5-sonnet", "Hi."), "claude-4.5-sonnet"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		text, _, err := each.agent.ask(ctx)
		cancel()
		if got := latestModel(t, s.Sim); err != nil || text != "Hi." || got != each.want {
			t.Errorf("%v, %q, the run is for %q, want %q", err, text, got, each.want)
		}
	}
}

// models are those that a gateway lists.
func models(t *testing.T, gateway *stack.Gateway) (ids []string) {
	t.Helper()
	var list struct{ Data []struct{ ID string } }
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/v1/models", nil).JSON(t, &list)
	for _, model := range list.Data {
		ids = append(ids, model.ID)
	}
	return ids
}

// latestModel is the model that the latest run asks for, with its parameters.
func latestModel(t *testing.T, sim *upstreamsim.Simulator) string {
	t.Helper()
	runs := sim.AgentRuns().Runs
	if len(runs) == 0 {
		t.Fatal("there is no run")
	}
	var request struct {
		Model struct {
			ID         string `json:"modelId"`
			Parameters []struct{ ID, Value string }
		} `json:"requestedModel"`
	}
	if err := json.Unmarshal(runs[len(runs)-1].Request, &request); err != nil {
		t.Fatal(err)
	}
	told := request.Model.ID
	for _, each := range request.Model.Parameters {
		told += fmt.Sprintf(" %s=%s", each.ID, each.Value)
	}
	return told
}
