package anthropic

import "carousel.internal/gateway/internal/ondemand"

// modelFacts are what requests must respect of a model.
type modelFacts struct {
	// maxTokens is the largest answer.
	maxTokens int
	// thinks tells that it can think; adaptive, that it decides itself how much.
	thinks, adaptive bool
}

// knownModels are the vendor's, by what is in their names; the first that matches counts.
var knownModels = []struct {
	name  *ondemand.Pattern
	facts modelFacts
}{
	{ondemand.Regexp(`claude-3-(opus|sonnet|haiku)`), modelFacts{maxTokens: 4096}},
	{ondemand.Regexp(`claude-3[-.]5`), modelFacts{maxTokens: 8192}},
	{ondemand.Regexp(`claude-3[-.]7`), modelFacts{maxTokens: 64000, thinks: true}},
	{ondemand.Regexp(`claude-opus-4(-[01])?(-\d{8}|$|@)`), modelFacts{maxTokens: 32000, thinks: true}},
	{ondemand.Regexp(`claude-(opus|sonnet)-4[-.][6-9]`), modelFacts{maxTokens: 64000, thinks: true, adaptive: true}},
	{ondemand.Regexp(`claude-(opus|sonnet|haiku)-4`), modelFacts{maxTokens: 64000, thinks: true}},
	{ondemand.Regexp(`claude-(opus|sonnet|haiku|[a-z]+)-[5-9]`), modelFacts{maxTokens: 64000, thinks: true, adaptive: true}},
}

// unknownModel is believed of all others.
var unknownModel = modelFacts{maxTokens: 32000, thinks: true, adaptive: true}

func factsOf(model string) modelFacts {
	for _, known := range knownModels {
		if known.name.MatchString(model) {
			return known.facts
		}
	}
	return unknownModel
}
