package models_test

import (
	"encoding/hex"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream/cursor/agent/models"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

func decode(t *testing.T, text string, into proto.Message) {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, want, got proto.Message) {
	t.Helper()
	if difference := cmp.Diff(want, got, protocmp.Transform()); difference != "" {
		t.Errorf("-want +got:\n%s", difference)
	}
}

func ids(list []chat.Model) (ids []string) {
	for _, each := range list {
		ids = append(ids, each.ID)
	}
	return ids
}

func fromWire(t *testing.T) *models.Catalog {
	t.Helper()
	available, usable := &agentv1.AiAvailableModelsResponse{}, &agentv1.GetUsableModelsResponse{}
	decode(t, availableModels, available)
	decode(t, usableModels, usable)
	return models.Read(available, usable)
}

func TestRequest(t *testing.T) {
	t.Parallel()
	want := &agentv1.AiAvailableModelsRequest{}
	decode(t, question, want)
	same(t, want, models.Request())
}

func TestVariantOfTheList(t *testing.T) {
	t.Parallel()
	want := &agentv1.RequestedModel{}
	decode(t, requested, want)
	for name, effort := range map[string]string{
		"cursor-grok-4.6-high":             "low", // an id that says an effort keeps it
		"grok-4.6":                         "",
		"grok-4.6[effort=high,fast=false]": "max",
	} {
		got := fromWire(t).Choose(name, effort)
		same(t, want, got.Requested)
		if got.Details != nil || got.Family != "grok-4.6" || got.Window != 256000 || !got.Vision {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestUsableModels(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"composer-2.5": "composer-2.5", "default": "default", "auto": "default", "composer": "composer-2.5"} {
		got := fromWire(t).Choose(id, "")
		if got.Requested.GetModelId() != want || got.Details.GetModelId() != want || got.Vision {
			t.Errorf("%s: %v, details of %q, vision %t", id, got.Requested, got.Details.GetModelId(), got.Vision)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	want := []string{"grok-4.6", "cursor-grok-4.6-high", "composer-2.5", "composer", "default", "auto"}
	if difference := cmp.Diff(want, ids(fromWire(t).List())); difference != "" {
		t.Error(difference)
	}
	var none *models.Catalog
	if list := none.List(); len(list) != 0 {
		t.Errorf("nothing lists %v", list)
	}
}

// claude is a model with all that a list can tell.
func claude() *agentv1.AiAvailableModel {
	model := &agentv1.AiAvailableModel{
		Name: "claude-opus-5", ServerModelName: proto.String("claude-opus-5-server"), IdAliases: []string{"opus", "opus-5"},
		ContextTokenLimit: proto.Int32(200_000), ContextTokenLimitForMaxMode: proto.Int32(1_000_000), SupportsImages: proto.Bool(true),
		VendorName: proto.String("Anthropic"),
	}
	add := func(slug, thinking, effort string, large, usual bool) {
		context := "200k"
		if large {
			context = "1m"
		}
		model.Variants = append(model.Variants, &agentv1.AiModelVariant{
			LegacySlug: proto.String(slug), IsMaxMode: large, IsDefaultNonMaxConfig: proto.Bool(usual),
			ParameterValues: []*agentv1.ModelParameter{{Id: "thinking", Value: thinking}, {Id: "context", Value: context}, {Id: "effort", Value: effort}},
		})
	}
	add("claude-opus-5-low", "false", "low", false, false)
	add("claude-opus-5-high", "false", "high", false, true)
	add("claude-opus-5-thinking-low", "true", "low", false, false)
	add("claude-opus-5-thinking-high", "true", "high", false, false)
	add("claude-opus-5-thinking-max", "true", "max", true, false)
	return model
}

func TestEffortOfAListedModel(t *testing.T) {
	t.Parallel()
	catalog := models.Read(&agentv1.AiAvailableModelsResponse{Models: []*agentv1.AiAvailableModel{claude()}}, nil)
	for _, c := range []struct {
		id, effort     string
		thinking, want string
		large          bool
	}{
		{"claude-opus-5", "", "false", "high", false},
		{"opus", "low", "true", "low", false},
		{"opus", "medium", "true", "high", false},
		{"opus", "max", "true", "high", false}, // max mode is never chosen by effort
		{"opus", "minimal", "true", "low", false},
		{"opus", "none", "false", "low", false},
		{"opus", "vast", "false", "high", false},
		{"claude-opus-5-low", "high", "false", "low", false},
		{"claude-opus-5-thinking-max", "", "true", "max", true},
	} {
		got := catalog.Choose(c.id, c.effort)
		parameters := got.Requested.GetParameters()
		if parameters[0].GetValue() != c.thinking || parameters[2].GetValue() != c.want || got.Requested.GetMaxMode() != c.large {
			t.Errorf("%s, %q: %v", c.id, c.effort, got.Requested)
		}
		if got.Requested.GetModelId() != "claude-opus-5-server" || got.Family != "claude-opus-5" {
			t.Errorf("%s, %q: %v of %s", c.id, c.effort, got.Requested, got.Family)
		}
		if thinks := got.Details.GetThinkingDetails() != nil; thinks != (c.thinking == "true") {
			t.Errorf("%s, %q: thinking details: %t", c.id, c.effort, thinks)
		}
		if want := map[bool]int{false: 200_000, true: 1_000_000}[c.large]; got.Window != want {
			t.Errorf("%s, %q: %d tokens, want %d", c.id, c.effort, got.Window, want)
		}
	}
}

func TestListedOnce(t *testing.T) {
	t.Parallel()
	hidden := &agentv1.AiAvailableModel{Name: "secret", IdAliases: []string{"hush"}, IsHidden: proto.Bool(true)}
	chatOnly := &agentv1.AiAvailableModel{Name: "no-agent", SupportsAgent: proto.Bool(false)}
	catalog := models.Read(&agentv1.AiAvailableModelsResponse{Models: []*agentv1.AiAvailableModel{claude(), hidden, chatOnly}},
		&agentv1.GetUsableModelsResponse{Models: []*agentv1.ModelDetails{{ModelId: "claude-opus-5-low"}, {ModelId: "hush"}, {ModelId: "gpt-5.2"}, {}}})
	want := []string{
		"claude-opus-5", "opus", "opus-5", "claude-opus-5-low", "claude-opus-5-high", "claude-opus-5-thinking-low", "claude-opus-5-thinking-high",
		"claude-opus-5-thinking-max", "gpt-5.2",
	}
	if difference := cmp.Diff(want, ids(catalog.List())); difference != "" {
		t.Error(difference)
	}
	owners := map[string]string{}
	for _, each := range catalog.List() {
		owners[each.ID] = each.OwnedBy
	}
	if owners["opus"] != "anthropic" || owners["gpt-5.2"] != "openai" {
		t.Errorf("owners: %v", owners)
	}
}

func TestWithoutAList(t *testing.T) {
	t.Parallel()
	var none *models.Catalog
	for _, c := range []struct{ id, effort, want, family string }{
		{"composer-2.5", "high", "composer-2.5", "composer-2.5"},
		{"composer-2.5-fast", "", "composer-2.5-fast", "composer-2.5"},
		{"auto", "", "default", "default"},
		{"claude-4.5-sonnet-thinking", "high", "claude-4.5-sonnet-thinking", "claude-4.5-sonnet"},
		{"claude-opus-5", "", "claude-opus-5-medium", "claude-opus-5"}, // there is none without
		{"claude-opus-5", "low", "claude-opus-5-low", "claude-opus-5"},
		{"claude-opus-5", "none", "claude-opus-5-low", "claude-opus-5"},
		{"claude-opus-5-fast", "xhigh", "claude-opus-5-xhigh-fast", "claude-opus-5"},
		{"claude-opus-5-thinking", "max", "claude-opus-5-thinking-max", "claude-opus-5"},
		{"claude-opus-5-thinking-high-fast", "low", "claude-opus-5-thinking-high-fast", "claude-opus-5"},
		{"claude-4.6-opus-thinking", "max", "claude-4.6-opus-max-thinking", "claude-4.6-opus"}, // the older order
		{"claude-4.6-sonnet", "max", "claude-4.6-sonnet-medium", "claude-4.6-sonnet"},
		{"gpt-5.1", "", "gpt-5.1", "gpt-5.1"},
		{"gpt-5.1", "medium", "gpt-5.1", "gpt-5.1"},
		{"gpt-5.1", "xhigh", "gpt-5.1-high", "gpt-5.1"},
		{"gpt-5.2-fast", "minimal", "gpt-5.2-low-fast", "gpt-5.2"},
		{"gpt-5.4", "none", "gpt-5.4-low", "gpt-5.4"},
		{"gpt-5.4-mini", "minimal", "gpt-5.4-mini-none", "gpt-5.4-mini"},
		{"gpt-5.5", "max", "gpt-5.5-extra-high", "gpt-5.5"},
		{"gpt-5.5", "xhigh", "gpt-5.5-extra-high", "gpt-5.5"},
		{"gpt-5.5-medium", "low", "gpt-5.5-medium", "gpt-5.5"},
		{"gpt-5.6-sol", "max", "gpt-5.6-sol-max", "gpt-5.6-sol"},
		{"cursor-grok-4.5", "max", "cursor-grok-4.5-high", "cursor-grok-4.5"},
		{"grok-4.7", "xhigh", "grok-4.7-xhigh", "grok-4.7"},
		{"gemini-3.6-flash", "none", "gemini-3.6-flash-minimal", "gemini-3.6-flash"},
		{"gemini-3.7-flash", "minimal", "gemini-3.7-flash-low", "gemini-3.7-flash"},
		{"glm-5.2", "low", "glm-5.2-high", "glm-5.2"},
		{"kimi-k3-max", "", "kimi-k3-max", "kimi-k3"},
		{"someone-new-high", "low", "someone-new-high", "someone-new"},
		{"high", "", "high", "high"},
		{"gpt-5.55", "low", "gpt-5.55", "gpt-5.55"},
	} {
		got := none.Choose(c.id, c.effort)
		if got.Requested.GetModelId() != c.want || got.Family != c.family || got.Details.GetModelId() != c.want {
			t.Errorf("%s, %q: %q of %q, want %q of %q", c.id, c.effort, got.Requested.GetModelId(), got.Family, c.want, c.family)
		}
		if len(got.Requested.GetParameters()) > 0 || got.Requested.GetMaxMode() {
			t.Errorf("%s: %v", c.id, got.Requested)
		}
	}
}

func TestKnownOfFamilies(t *testing.T) {
	t.Parallel()
	var none *models.Catalog
	for id, want := range map[string]struct {
		window           int
		vision, thinking bool
	}{
		"composer-2.5":               {200_000, false, false},
		"default":                    {0, false, false},
		"glm-5.3-high":               {0, false, false},
		"glm-5.2-high":               {1_000_000, false, false},
		"claude-sonnet-5-high":       {1_000_000, true, false},
		"claude-4.5-sonnet-thinking": {200_000, true, true},
		"cursor-grok-4.6-high":       {500_000, true, false},
		"gpt-5-mini":                 {400_000, true, false},
		"gpt-5.6-terra-low":          {272_000, true, false},
		"kimi-k2.7-code":             {262_000, true, false},
		"gemini-3.1-pro":             {1_000_000, true, false},
	} {
		got := none.Choose(id, "")
		if got.Window != want.window || got.Vision != want.vision || (got.Details.GetThinkingDetails() != nil) != want.thinking {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

// An id of the flat list is sent as it is, though the table knows better, unless the wish leads
// to another one of the list.
func TestEffortOfTheFlatList(t *testing.T) {
	t.Parallel()
	catalog := models.Read(nil, &agentv1.GetUsableModelsResponse{Models: []*agentv1.ModelDetails{{ModelId: "gpt-5.4"}, {ModelId: "gpt-5.4-high"}}})
	for effort, want := range map[string]string{"": "gpt-5.4", "low": "gpt-5.4", "high": "gpt-5.4-high"} {
		if got := catalog.Choose("gpt-5.4", effort); got.Requested.GetModelId() != want || got.Details.GetModelId() != want {
			t.Errorf("%q: %v", effort, got.Requested)
		}
	}
	if got := catalog.Choose("gpt-5.5", "low").Requested.GetModelId(); got != "gpt-5.5-low" {
		t.Errorf("an id that is not in the list became %s", got)
	}
}

// A caller that changes what it got does not change what the next one gets.
func TestChoicesAreOwn(t *testing.T) {
	t.Parallel()
	catalog := fromWire(t)
	catalog.Choose("grok-4.6", "").Requested.ModelId = "changed"
	catalog.Choose("composer-2.5", "").Details.ModelId = "changed"
	if got := catalog.Choose("grok-4.6", "").Requested.GetModelId(); got != "grok-4.6" {
		t.Error(got)
	}
	if got := catalog.Choose("composer-2.5", "").Details.GetModelId(); got != "composer-2.5" {
		t.Error(got)
	}
}

// Each of the former ids goes to one of today's that needs no list to be understood.
func TestFormer(t *testing.T) {
	t.Parallel()
	var none *models.Catalog
	former := models.Former()
	if len(former) != 21 {
		t.Errorf("%d former ids, want 21", len(former))
	}
	for old, today := range former {
		if got := none.Choose(today, "").Requested.GetModelId(); got != today {
			t.Errorf("%s goes to %s, which is sent as %s", old, today, got)
		}
		if _, again := former[today]; again {
			t.Errorf("%s goes to %s, which is a former id itself", old, today)
		}
	}
}

// A list without an end is cut.
func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	usable := &agentv1.GetUsableModelsResponse{}
	for i := range 20_000 {
		usable.Models = append(usable.Models, &agentv1.ModelDetails{ModelId: "model-" + hex.EncodeToString([]byte{byte(i >> 8), byte(i)})})
	}
	usable.Models = slices.Insert(usable.Models, 0, &agentv1.ModelDetails{ModelId: string(make([]byte, 1<<16))})
	if got := len(models.Read(nil, usable).List()); got != 8000 {
		t.Errorf("%d models are listed", got)
	}
}
