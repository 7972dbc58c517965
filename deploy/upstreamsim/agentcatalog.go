package upstreamsim

// family is a model of the default catalog whose variants are its efforts, with and without fast.
type family struct {
	name, display string
	window        int32
	// slug is what the flat ids begin with; the name where it is empty.
	slug string
	// parameter is that of the effort, and bare the effort whose flat id has no suffix.
	parameter, bare string
	efforts         []string
	fast            bool
}

// model is the family as an entry of the catalog.
func (f family) model() AgentModel {
	model := AgentModel{Name: f.name, Display: f.display, Window: f.window, Thinking: true, Images: true}
	slug := f.slug
	if slug == "" {
		slug = f.name
	}
	for _, effort := range f.efforts {
		id := slug + "-" + effort
		if effort == f.bare {
			id = slug
		}
		model.Variants = append(model.Variants, AgentVariant{
			Slug: id, Values: [][2]string{{f.parameter, effort}, {"fast", "false"}}, Default: effort == f.bare || f.bare == "" && effort == "medium",
		})
		if f.fast {
			model.Variants = append(model.Variants, AgentVariant{Slug: id + "-fast", Values: [][2]string{{f.parameter, effort}, {"fast", "true"}}})
		}
	}
	return model
}

var (
	threeEfforts = []string{"low", "medium", "high"}
	fourEfforts  = []string{"low", "medium", "high", "xhigh"}
	fiveEfforts  = []string{"none", "low", "medium", "high", "xhigh"}
	sixEfforts   = []string{"none", "low", "medium", "high", "xhigh", "max"}
	claudes      = []string{"low", "medium", "high", "xhigh", "max"}
)

// families are the models that have efforts.
var families = []family{
	{name: "gpt-5.1", display: "GPT-5.1", window: 400_000, parameter: "reasoning", bare: "medium", efforts: threeEfforts},
	{name: "gpt-5.2", display: "GPT-5.2", window: 400_000, parameter: "reasoning", bare: "medium", efforts: fourEfforts, fast: true},
	{name: "gpt-5.3-codex", display: "GPT-5.3 Codex", window: 400_000, parameter: "reasoning", bare: "medium", efforts: fourEfforts, fast: true},
	{name: "gpt-5.4", display: "GPT-5.4", window: 400_000, parameter: "reasoning", efforts: fourEfforts, fast: true},
	{name: "gpt-5.4-mini", display: "GPT-5.4 Mini", window: 400_000, parameter: "reasoning", efforts: fiveEfforts},
	{name: "gpt-5.4-nano", display: "GPT-5.4 Nano", window: 400_000, parameter: "reasoning", efforts: fiveEfforts},
	{name: "gpt-5.5", display: "GPT-5.5", window: 1_000_000, parameter: "reasoning", efforts: []string{"none", "low", "medium", "high", "extra-high"}, fast: true},
	{name: "gpt-5.6-sol", display: "GPT-5.6 Sol", window: 1_000_000, parameter: "reasoning", efforts: sixEfforts, fast: true},
	{name: "gpt-5.6-terra", display: "GPT-5.6 Terra", window: 272_000, parameter: "reasoning", efforts: sixEfforts, fast: true},
	{name: "gpt-5.6-luna", display: "GPT-5.6 Luna", window: 1_000_000, parameter: "reasoning", efforts: sixEfforts, fast: true},
	{name: "grok-4.5", display: "Grok 4.5", window: 500_000, slug: "cursor-grok-4.5", parameter: "effort", efforts: threeEfforts, fast: true},
	{name: "grok-4.6", display: "Grok 4.6", window: 500_000, slug: "cursor-grok-4.6", parameter: "effort", efforts: fourEfforts, fast: true},
	{name: "grok-4.7", display: "Grok 4.7", window: 500_000, parameter: "reasoning_effort", efforts: fourEfforts, fast: true},
	{name: "gemini-3.6-flash", display: "Gemini 3.6 Flash", window: 1_000_000, parameter: "effort", efforts: []string{"minimal", "low", "medium", "high"}},
	{name: "gemini-3.7-flash", display: "Gemini 3.7 Flash", window: 1_000_000, parameter: "effort", efforts: threeEfforts},
	{name: "glm-5.2", display: "GLM 5.2", window: 1_000_000, parameter: "reasoning", efforts: []string{"high", "max"}},
	{name: "kimi-k3", display: "Kimi K3", window: 1_000_000, parameter: "reasoning", efforts: []string{"low", "high", "max"}},
}

// plainModels are those without parameters.
var plainModels = []AgentModel{
	{Name: "default", Display: "Auto", Aliases: []string{"auto"}, Window: 200_000},
	{Name: "composer-2.5", Display: "Composer 2.5", Window: 200_000, Thinking: true, Variants: []AgentVariant{
		{Slug: "composer-2.5", Values: [][2]string{{"fast", "false"}}, Default: true},
		{Slug: "composer-2.5-fast", Values: [][2]string{{"fast", "true"}}},
	}},
	{Name: "gpt-5-mini", Display: "GPT-5 Mini", Window: 400_000, Images: true},
	{Name: "gemini-3-flash", Display: "Gemini 3 Flash", Window: 1_000_000, Images: true},
	{Name: "gemini-3.1-pro", Display: "Gemini 3.1 Pro", Window: 1_000_000, Images: true},
	{Name: "gemini-3.5-flash", Display: "Gemini 3.5 Flash", Window: 1_000_000, Images: true},
	{Name: "kimi-k2.7-code", Display: "Kimi K2.7 Code", Window: 262_000, Images: true},
	{Name: "claude-4-sonnet", Display: "Sonnet 4", Window: 200_000, Images: true},
	{Name: "claude-4-sonnet-thinking", Display: "Sonnet 4 Thinking", Window: 200_000, Thinking: true, Images: true},
	{Name: "claude-4.5-sonnet", Display: "Sonnet 4.5", Window: 200_000, Images: true},
	{Name: "claude-4.5-sonnet-thinking", Display: "Sonnet 4.5 Thinking", Window: 200_000, Thinking: true, Images: true},
	{Name: "claude-4.5-haiku", Display: "Haiku 4.5", Window: 200_000, Images: true},
	{Name: "claude-4.5-opus-high", Display: "Opus 4.5", Window: 200_000, Images: true},
	{Name: "claude-4.5-opus-high-thinking", Display: "Opus 4.5 Thinking", Window: 200_000, Thinking: true, Images: true},
	{Name: "claude-4.6-sonnet-medium", Display: "Sonnet 4.6", Window: 1_000_000, Images: true},
	{Name: "claude-4.6-sonnet-medium-thinking", Display: "Sonnet 4.6 Thinking", Window: 1_000_000, Thinking: true, Images: true},
	{Name: "claude-4.6-opus-high", Display: "Opus 4.6", Window: 1_000_000, Images: true},
	{Name: "claude-4.6-opus-high-thinking", Display: "Opus 4.6 Thinking", Window: 1_000_000, Thinking: true, Images: true},
	{Name: "claude-4.6-opus-max", Display: "Opus 4.6 Max", Window: 1_000_000, Images: true},
	{Name: "claude-4.6-opus-max-thinking", Display: "Opus 4.6 Max Thinking", Window: 1_000_000, Thinking: true, Images: true},
	{Name: "demo", Display: "Demo", Window: 200_000, Thinking: true, Images: true},
}

// defaultAgentModels are the catalog that is served by default.
func defaultAgentModels() []AgentModel {
	models := append([]AgentModel{}, plainModels...)
	for _, family := range families {
		models = append(models, family.model())
	}
	for _, claude := range []struct {
		name, display string
		fast          bool
	}{
		{"claude-opus-4-7", "Opus 4.7", true},
		{"claude-opus-4-8", "Opus 4.8", true},
		{"claude-opus-5", "Opus 5", true},
		{"claude-sonnet-5", "Sonnet 5", false},
		{"claude-fable-5", "Fable 5", false},
	} {
		models = append(models, claudeFamily(claude.name, claude.display, claude.fast))
	}
	return models
}

// claudeFamily has a variant for every effort, with and without thinking, and fast ones that are
// max mode.
func claudeFamily(name, display string, fast bool) AgentModel {
	model := AgentModel{Name: name, Display: display, Window: 1_000_000, Thinking: true, Images: true}
	for _, thinking := range []string{"false", "true"} {
		for _, effort := range claudes {
			slug := name + "-" + effort
			if thinking == "true" {
				slug = name + "-thinking-" + effort
			}
			values := [][2]string{{"thinking", thinking}, {"context", "300k"}, {"effort", effort}}
			model.Variants = append(model.Variants, AgentVariant{Slug: slug, Values: values, Default: effort == "medium" && thinking == "false"})
			if fast {
				fastValues := append(append([][2]string{}, values...), [2]string{"fast", "true"})
				model.Variants = append(model.Variants, AgentVariant{Slug: slug + "-fast", Values: fastValues, Max: true})
			}
		}
	}
	return model
}
