package upstreamsim

import (
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"
)

// defaultLegacyLimit is the most tokens of a legacy completion that asks for no limit.
const defaultLegacyLimit = 16

// legacyRequest is a request to /v1/completions.
type legacyRequest struct {
	Model            string          `json:"model"`
	Prompt           json.RawMessage `json:"prompt"`
	Suffix           *string         `json:"suffix"`
	MaxTokens        *int            `json:"max_tokens"`
	N                *int            `json:"n"`
	BestOf           *int            `json:"best_of"`
	Echo             bool            `json:"echo"`
	Logprobs         *int            `json:"logprobs"`
	Stop             json.RawMessage `json:"stop"`
	Stream           bool            `json:"stream"`
	StreamOptions    *streamOptions  `json:"stream_options"`
	Temperature      *float64        `json:"temperature"`
	TopP             *float64        `json:"top_p"`
	PresencePenalty  *float64        `json:"presence_penalty"`
	FrequencyPenalty *float64        `json:"frequency_penalty"`

	prompts []string
	stops   []string
}

func (r *legacyRequest) modelID() string { return r.Model }

func (r *legacyRequest) n() int {
	if r.N == nil {
		return 1
	}
	return *r.N
}

func (r *legacyRequest) check(*sideCall) (problem *rejection) {
	if r.Model == "" {
		return misused("", "you must provide a model parameter")
	}
	if r.prompts, problem = readTexts("prompt", r.Prompt, maxInputs, true); problem != nil {
		return problem
	}
	if r.stops, problem = readStops(r.Stop); problem != nil {
		return problem
	}
	switch {
	case r.BestOf != nil && *r.BestOf < r.n():
		return misused("best_of", "best_of must be greater than or equal to n")
	case r.BestOf != nil && *r.BestOf > r.n() && r.Stream:
		return misused("best_of", "Cannot stream results with best_of > n.")
	case r.StreamOptions != nil && !r.Stream:
		return misused("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	return firstOf(
		func() *rejection { return integerWithin("max_tokens", r.MaxTokens, 0, math.MaxInt32) },
		func() *rejection { return integerWithin("n", r.N, 1, maxChoices) },
		func() *rejection { return integerWithin("logprobs", r.Logprobs, 0, 5) },
		func() *rejection { return decimalWithin("temperature", r.Temperature, 0, 2) },
		func() *rejection { return decimalWithin("top_p", r.TopP, 0, 1) },
		func() *rejection { return decimalWithin("presence_penalty", r.PresencePenalty, -2, 2) },
		func() *rejection { return decimalWithin("frequency_penalty", r.FrequencyPenalty, -2, 2) },
	)
}

// said is what is said of a prompt: the prompt, and what was between it and a suffix.
func (r *legacyRequest) said(c *sideCall, prompt string) reply {
	text := prompt
	if r.Suffix != nil {
		text += " … " + *r.Suffix
	}
	said := says(pieces(text))
	if c.scenario.kind == countForm {
		said = says(counting()[:c.scenario.number])
	}
	limit := defaultLegacyLimit
	if r.MaxTokens != nil {
		limit = *r.MaxTokens
	}
	if said = said.stopped(r.stops); said.tokens() > limit {
		said = said.limited(limit)
	}
	if r.Echo {
		said.blocks = append([]block{{pieces: []string{prompt}}}, said.blocks...)
	}
	return said
}

type legacyChoice struct {
	Text         string  `json:"text"`
	Index        int     `json:"index"`
	Logprobs     any     `json:"logprobs"`
	FinishReason *string `json:"finish_reason"`
}

// logprobsOf are those of pieces, where they are asked for.
func (r *legacyRequest) logprobsOf(pieces []string) any {
	if r.Logprobs == nil {
		return nil
	}
	chances, offsets := []float64{}, []int{}
	offset := 0 // in characters
	for _, piece := range pieces {
		chances, offsets = append(chances, -0.5), append(offsets, offset)
		offset += utf8.RuneCountInString(piece)
	}
	return map[string]any{"tokens": pieces, "token_logprobs": chances, "top_logprobs": nil, "text_offset": offsets}
}

func (r *legacyRequest) answer(c *sideCall) sideAnswer {
	tokens, prompt := 0, 0
	var replies []reply
	for _, text := range r.prompts {
		said := r.said(c, text)
		prompt += textTokens(text)
		for range r.n() {
			replies = append(replies, said)
			tokens += said.tokens()
		}
	}
	usage := map[string]int{"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}
	frame := func(choices []legacyChoice) map[string]any {
		return map[string]any{
			"id": c.id("cmpl-"), "object": "text_completion", "created": c.now(), "model": r.Model + ModelSuffix, "system_fingerprint": fingerprint, "choices": choices,
		}
	}
	if !r.Stream {
		choices := []legacyChoice{}
		for i := range replies {
			said := replies[i].allPieces()
			choices = append(choices, legacyChoice{strings.Join(said, ""), i, r.logprobsOf(said), &replies[i].finish})
		}
		whole := frame(choices)
		whole["usage"] = usage
		return wholeJSON(whole)
	}
	var events [][]byte
	for i := range replies {
		for _, piece := range replies[i].allPieces() {
			events = append(events, eventOf("", frame([]legacyChoice{{piece, i, r.logprobsOf([]string{piece}), nil}})))
		}
		events = append(events, eventOf("", frame([]legacyChoice{{"", i, nil, &replies[i].finish}})))
	}
	if r.StreamOptions != nil && r.StreamOptions.IncludeUsage {
		last := frame([]legacyChoice{})
		last["usage"] = usage
		events = append(events, eventOf("", last))
	}
	return sideAnswer{contentType: eventStream, pieces: append(events, []byte("data: [DONE]\n\n"))}
}

func (r reply) allPieces() []string {
	var all []string
	for _, b := range r.blocks {
		all = append(all, b.pieces...)
	}
	return all
}
