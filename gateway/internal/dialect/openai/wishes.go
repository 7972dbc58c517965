package openai

import (
	"math"
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// tune takes in a field that shifts how the answer is found; false: it is none that has a
// canonical form.
func (d *decoder) tune(field string) bool {
	sampling := &d.req.Sampling
	switch field {
	case "temperature":
		sampling.Temperature = d.float()
	case "top_p":
		sampling.TopP = d.float()
	case "presence_penalty":
		sampling.PresencePenalty = d.float()
	case "frequency_penalty":
		sampling.FrequencyPenalty = d.float()
	case "top_k":
		sampling.TopK = d.integer()
	case "seed":
		if value := d.integer(); value != nil {
			seed := int64(*value)
			sampling.Seed = &seed
		}
	case "reasoning_effort":
		d.effort()
	case "reasoning":
		d.reasoningWish()
	case "thinking":
		d.thinkingWish()
	case "enable_thinking":
		d.switchThinking()
	case "thinking_budget":
		d.budget()
	case "chat_template_kwargs":
		d.templateWish()
	case "verbosity":
		d.req.Verbosity = d.word()
	case "service_tier":
		d.req.ServiceTier = d.word()
	case "parallel_tool_calls":
		d.req.ParallelCalls = d.truth()
	case "cache_control":
		d.req.Cache = d.cacheMark()
	case "safety_identifier":
		if name := d.word(); d.req.User == "" {
			d.req.User = name
		}
	default:
		return false
	}
	return true
}

// float consumes a number; anything else is passed over and nil.
func (d *decoder) float() *float64 {
	if d.s.Kind() != rawjson.Number {
		d.s.Skip()
		return nil
	}
	value, err := strconv.ParseFloat(string(d.s.Skip()), 64)
	if err != nil || math.IsInf(value, 0) {
		return nil
	}
	return &value
}

// integer consumes a whole number; anything else is passed over and nil.
func (d *decoder) integer() *int {
	value := d.float()
	if value == nil || *value != math.Trunc(*value) || math.Abs(*value) > 1<<53 {
		return nil
	}
	whole := int(*value)
	return &whole
}

// efforts are the words for how much the model is to think.
var efforts = map[string]chat.Effort{
	"none": chat.EffortNone, "minimal": chat.EffortMinimal, "low": chat.EffortLow, "medium": chat.EffortMedium,
	"high": chat.EffortHigh, "xhigh": chat.EffortXHigh, "max": chat.EffortMax,
}

func (d *decoder) effort() {
	wish := &d.req.Thinking
	if wish.Effort = efforts[d.word()]; wish.Effort == chat.EffortNone {
		wish.Mode = chat.ThinkingOff
	}
}

// switchThinking consumes whether the model is to think.
func (d *decoder) switchThinking() {
	switch on := d.truth(); {
	case on == nil:
	case *on:
		d.req.Thinking.Mode = chat.ThinkingOn
	default:
		d.req.Thinking.Mode = chat.ThinkingOff
	}
}

// templateWish consumes {"enable_thinking":…}, or as for DeepSeek {"thinking":…}: how
// vLLM and SGLang are asked.
func (d *decoder) templateWish() {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch string(d.s.Key()) {
		case "enable_thinking", "thinking":
			d.switchThinking()
		default:
			d.s.Skip()
		}
	}
}

// reasoningWish consumes {"effort":…, "max_tokens":…, "summary":…, "exclude":…, "enabled":…}.
func (d *decoder) reasoningWish() {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return
	}
	wish := &d.req.Thinking
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch string(d.s.Key()) {
		case "effort":
			d.effort()
		case "max_tokens":
			d.budget()
		case "summary":
			wish.Show = d.word()
		case "exclude":
			if hidden := d.truth(); hidden != nil && *hidden {
				wish.Show = "omitted"
			}
		case "enabled":
			d.switchThinking()
		default:
			d.s.Skip()
		}
	}
}

// thinkingWish consumes {"type":"enabled", "budget_tokens":…, "display":…}.
func (d *decoder) thinkingWish() {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return
	}
	wish := &d.req.Thinking
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch string(d.s.Key()) {
		case "type":
			wish.Mode = map[string]chat.ThinkingMode{
				"enabled": chat.ThinkingOn, "disabled": chat.ThinkingOff, "adaptive": chat.ThinkingAdaptive, "auto": chat.ThinkingAdaptive,
			}[d.word()]
		case "budget_tokens":
			d.budget()
		case "display":
			wish.Show = d.word()
		default:
			d.s.Skip()
		}
	}
}

func (d *decoder) budget() {
	if tokens := d.integer(); tokens != nil && *tokens > 0 {
		d.req.Thinking.Budget = int(min(int64(*tokens), math.MaxInt32))
	}
}

// responseFormat consumes the form that the answer is to have.
func (d *decoder) responseFormat(field string) {
	d.req.Output = chat.Output{}
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		d.note(field, chat.Unclear)
		return
	}
	kind := ""
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch string(d.s.Key()) {
		case "type":
			kind = d.word()
		case "json_schema":
			d.schema()
		default: // flat, as in the Responses API
			d.schemaMember()
		}
	}
	switch kind {
	case "text":
		d.req.Output = chat.Output{}
	case "json_object":
		d.req.Output = chat.Output{Form: chat.JSONOutput}
		d.note(field, chat.JSONObject)
	case "json_schema":
		d.req.Output.Form = chat.SchemaOutput
		d.note(field, chat.JSONSchema)
	default:
		d.note(field, chat.Unclear)
	}
}

// schema consumes {"name":…, "description":…, "schema":{…}, "strict":…}.
func (d *decoder) schema() {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		d.schemaMember()
	}
}

func (d *decoder) schemaMember() {
	output := &d.req.Output
	switch string(d.s.Key()) {
	case "name":
		output.Name = d.word()
	case "description":
		output.Description = d.word()
	case "schema":
		output.Schema = rawjson.Mended(d.object())
	case "strict":
		output.Strict = d.truth()
	default:
		d.s.Skip()
	}
}
