package openai

import (
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

const (
	// maxStops and maxStopBytes bound the texts that end an answer.
	maxStops     = 16
	maxStopBytes = 1 << 10
	// forcing is the bias of a token by which it is banned or forced.
	forcing = 100
)

// tuning are the fields that shift how an answer is found. Each has a counter of its
// own; fields of no name share one.
var tuning = map[string]bool{
	"temperature": true, "top_p": true, "top_k": true, "min_p": true, "presence_penalty": true, "frequency_penalty": true,
	"repetition_penalty": true, "seed": true, "logit_bias": true, "reasoning_effort": true, "reasoning": true, "thinking": true, "enable_thinking": true, "thinking_budget": true, "chat_template_kwargs": true, "verbosity": true, "cache_control": true,
	"parallel_tool_calls": true, "service_tier": true, "store": true, "metadata": true, "user": true, "safety_identifier": true,
	"prompt_cache_key": true, "prompt_cache_retention": true,
}

// asking are the fields that may ask for more than words.
var asking = []string{
	"tools", legacyTools, "tool_choice", "function_call", "n", "logprobs", "top_logprobs", "response_format", "audio", "modalities",
	"prediction", "web_search_options", "logit_bias", "stop", "max_tokens", newLimit,
}

// fieldNames are the fields that are told apart, by themselves: a key is looked up without a
// copy of it.
var fieldNames = func() map[string]string {
	names := map[string]string{}
	for _, fields := range []iter.Seq[string]{slices.Values(asking), maps.Keys(tuning), maps.Keys(inputFields)} {
		for field := range fields {
			names[field] = field
		}
	}
	return names
}()

// nameOf is the field of that key.
func nameOf(key []byte) string {
	if name, known := fieldNames[string(key)]; known {
		return name
	}
	return otherField
}

// otherField stands for the fields that the dialect has no name for.
const otherField = "other"

// ask takes note of a field that only some upstreams can be asked for. Its value is
// theirs to judge: what is not understood here is an ask of its own.
func (d *decoder) ask(field string) {
	if d.s.Kind() == rawjson.Null {
		d.s.Skip()
		return
	}
	switch field {
	case "tools", legacyTools:
		d.tools(field)
	case "tool_choice", "function_call":
		d.toolChoice(field)
	case "n":
		d.askNumber(field, chat.Choices, 1)
	case "logprobs", "top_logprobs":
		d.askNumber(field, chat.LogProbs, 0)
	case "response_format":
		d.responseFormat(field)
	case "audio":
		d.s.Skip()
		d.note(field, chat.Media)
	case "modalities":
		d.askIf(!d.onlyTexts(), field, chat.Media)
	case "prediction":
		d.s.Skip()
		d.note(field, chat.Prediction)
	case "web_search_options":
		d.s.Skip()
		d.note(field, chat.WebSearch)
	case "logit_bias":
		d.askBias(field)
	case "stop":
		d.stop(field)
	case "max_tokens", newLimit:
		d.limit(field)
	default:
		if !d.tune(field) {
			d.s.Skip()
		}
		if !tuning[field] {
			field = otherField
		}
		d.note(field, chat.Tuning)
	}
}

func (d *decoder) note(field string, need chat.Need) {
	d.req.Asks = append(d.req.Asks, chat.Ask{Field: field, Need: need})
}

func (d *decoder) askIf(asks bool, field string, need chat.Need) {
	if asks {
		d.note(field, need)
	}
}

// isWord consumes a value and tells whether it is one of the words.
func (d *decoder) isWord(words ...string) bool {
	if d.s.Kind() != rawjson.String {
		d.s.Skip()
		return false
	}
	text := d.s.Text()
	for _, word := range words {
		if text == word {
			return true
		}
	}
	return false
}

// onlyTexts consumes a list of kinds of output and tells whether it names text alone.
func (d *decoder) onlyTexts() bool {
	if d.s.Kind() != rawjson.Array {
		d.s.Skip()
		return false
	}
	only := true
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		only = d.isWord("text") && only
	}
	return only
}

// askNumber consumes a number or a truth; above usual it asks for something.
func (d *decoder) askNumber(field string, need chat.Need, usual float64) {
	switch d.s.Kind() {
	case rawjson.Bool:
		d.askIf(d.s.Bool(), field, need)
	case rawjson.Number:
		d.askIf(d.number() > usual, field, need)
	default:
		d.s.Skip()
		d.note(field, chat.Unclear)
	}
}

// number consumes a number; one that is no float64 is the largest.
func (d *decoder) number() float64 {
	value, err := strconv.ParseFloat(string(d.s.Skip()), 64)
	if err != nil {
		return math.MaxFloat64
	}
	return value
}

func (d *decoder) askBias(field string) {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		d.note(field, chat.Unclear)
		return
	}
	from := d.s.Pos()
	need := chat.Need("")
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch {
		case d.s.Kind() != rawjson.Number:
			d.s.Skip()
			need = chat.Unclear
		case math.Abs(d.number()) >= forcing:
			need = chat.Words
		case need == "":
			need = chat.Tuning
		}
	}
	if !d.s.Failed() {
		d.req.Sampling.LogitBias = d.req.Source.JSON[from:d.s.Pos()]
	}
	d.askIf(need != "", field, need)
}

// stop consumes the texts that end the answer: one, or a list.
func (d *decoder) stop(field string) {
	d.req.Stop = nil
	understood := true
	take := func() {
		if d.s.Kind() != rawjson.String {
			d.s.Skip()
			understood = false
			return
		}
		if text := d.s.Text(); text != "" {
			understood = understood && len(text) <= maxStopBytes && len(d.req.Stop) < maxStops
			if understood {
				d.req.Stop = append(d.req.Stop, text)
			}
		}
	}
	if d.s.Kind() == rawjson.Array {
		for ok := d.s.Array(); ok; ok = d.s.Element() {
			take()
		}
	} else {
		take()
	}
	d.askIf(!understood, field, chat.Unclear)
}

// newLimit is the name of the bound that counts where both are there.
const newLimit = "max_completion_tokens"

// limit consumes a bound of the answer. -1 is how some clients say that there is none.
func (d *decoder) limit(field string) {
	if d.s.Kind() != rawjson.Number {
		d.s.Skip()
		d.note(field, chat.Unclear)
		return
	}
	switch value := d.number(); {
	case value == -1:
	case value < 1 || value != math.Trunc(value):
		d.note(field, chat.Unclear)
	default:
		if d.hasNewLimit = d.hasNewLimit || field == newLimit; field == newLimit || !d.hasNewLimit {
			d.req.MaxTokens = int(min(value, math.MaxInt32))
		}
	}
}

// noteOnce takes note of a member of messages that not every upstream can be sent and that
// only tunes, whatever the number of messages.
func (d *decoder) noteOnce(member string) {
	if d.noted[member] {
		return
	}
	if d.noted == nil {
		d.noted = map[string]bool{}
	}
	d.noted[member] = true
	d.note("messages."+member, chat.Tuning)
}
