package responses

import (
	"cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// tuning are fields that shift how an answer is found, or how it is sent. Each is counted by
// its name; fields of no name share one.
var tuning = map[string]bool{
	"metadata": true, "client_metadata": true, "max_tool_calls": true, "truncation": true, "context_management": true,
	"prompt_cache_retention": true, "prompt_cache_options": true, "stream_options": true, "moderation": true,
}

// otherField stands for the fields that the dialect has no name for.
const otherField = "other"

// elsewhere are fields that name what the vendor keeps.
var elsewhere = map[string]bool{"conversation": true, "prompt": true, previousField: true, "background": true}

// wish consumes a field that shapes the answer.
func (d *decoder) wish(field string) (err error) {
	sampling := &d.req.Sampling
	switch field {
	case "temperature":
		sampling.Temperature, err = d.number(field)
		d.noteIf(sampling.Temperature != nil, field, chat.Tuning)
	case "top_p":
		sampling.TopP, err = d.number(field)
		d.noteIf(sampling.TopP != nil, field, chat.Tuning)
	case "top_logprobs":
		var most *int
		most, err = d.integer(field)
		d.noteIf(most != nil && *most > 0, field, chat.LogProbs)
	case "max_output_tokens":
		err = d.limit(field)
	case "parallel_tool_calls":
		d.req.ParallelCalls, err = d.boolean(field)
		d.noteIf(d.req.ParallelCalls != nil, field, chat.Tuning)
	case "reasoning":
		err = d.reasoningWish(field)
	case "text":
		err = d.textWish(field)
	case "include":
		err = d.include(field)
	case "service_tier":
		d.req.ServiceTier, err = d.text(field)
		d.noteIf(d.req.ServiceTier != "", field, chat.Tuning)
	case "prompt_cache_key":
		d.req.Session, err = d.text(field)
		d.noteIf(d.req.Session != "", field, chat.Tuning)
	case "user", "safety_identifier":
		var name string
		name, err = d.text(field)
		d.req.User = cmp.Or(name, d.req.User)
		d.noteIf(name != "", field, chat.Tuning)
	case storeField: // whether it is kept is the gateway's matter
		_, err = d.boolean(field)
	default:
		d.other(field)
	}
	return err
}

func (d *decoder) other(field string) {
	if _, is := chatFields[field]; is {
		d.chatField(field)
		return
	}
	need := chat.Tuning
	switch {
	case elsewhere[field]:
		need = chat.State
	case !tuning[field]:
		field = otherField
	}
	if d.filled() {
		d.hasState = d.hasState || need == chat.State
		d.noteOnce(field, need)
	}
}

// limit consumes a bound of the answer. What the vendor would refuse, others may take.
func (d *decoder) limit(field string) error {
	limit, err := d.integer(field)
	switch {
	case err != nil || limit == nil:
		return err
	case *limit < 1:
		d.note(field, chat.Unclear)
	default:
		d.req.MaxTokens = *limit
	}
	return nil
}

// efforts are the words for how much the model is to think.
var efforts = map[string]chat.Effort{
	"none": chat.EffortNone, "minimal": chat.EffortMinimal, "low": chat.EffortLow, "medium": chat.EffortMedium,
	"high": chat.EffortHigh, "xhigh": chat.EffortXHigh, "max": chat.EffortMax,
}

func (d *decoder) reasoningWish(field string) error {
	d.req.Thinking = chat.Thinking{}
	wish := &d.req.Thinking
	err := d.object(field, func(key []byte) (err error) {
		var word string
		switch string(key) {
		case "effort":
			word, err = d.text(field + "." + string(key))
			effort, known := efforts[word]
			wish.Effort = effort
			d.noteIf(word != "" && !known, field+"."+string(key), chat.Unclear)
		case "summary", "generate_summary": // the latter is the older name
			word, err = d.text(field + "." + string(key))
			wish.Show = cmp.Or(word, wish.Show)
		default:
			d.s.Skip()
		}
		return err
	})
	if wish.Effort == chat.EffortNone {
		wish.Mode = chat.ThinkingOff
	}
	d.noteIf(*wish != chat.Thinking{}, field, chat.Tuning)
	return err
}

func (d *decoder) textWish(field string) error {
	d.req.Output, d.req.Verbosity = chat.Output{}, ""
	return d.object(field, func(key []byte) (err error) {
		switch string(key) {
		case "format":
			err = d.format(field + "." + string(key))
		case "verbosity":
			d.req.Verbosity, err = d.text(field + "." + string(key))
			d.noteIf(d.req.Verbosity != "", "verbosity", chat.Tuning)
		default:
			d.s.Skip()
		}
		return err
	})
}

// format consumes the form that the answer is to have.
func (d *decoder) format(field string) error {
	kind := ""
	var out chat.Output
	var member func(key []byte) error
	member = func(key []byte) (err error) {
		switch string(key) {
		case "type":
			kind, err = d.text(field + "." + string(key))
		case "name":
			out.Name, err = d.text(field + "." + string(key))
		case "description":
			out.Description, err = d.text(field + "." + string(key))
		case "schema":
			out.Schema, err = d.schema(func() string { return field + ".schema" })
		case "strict":
			out.Strict, err = d.boolean(field + "." + string(key))
		case "json_schema": // as Chat has it
			err = d.object(field+"."+string(key), member)
		default:
			d.s.Skip()
		}
		return err
	}
	if err := d.object(field, member); err != nil || d.s.Failed() {
		return err
	}
	switch kind {
	case "", "text":
	case "json_object":
		d.req.Output.Form = chat.JSONOutput
		d.note(field, chat.JSONObject)
	case "json_schema":
		if out.Schema == nil {
			return invalid(field+".schema", "is missing: it must be a JSON Schema")
		}
		d.req.Output, d.req.Output.Form = out, chat.SchemaOutput
		d.note(field, chat.JSONSchema)
	default:
		d.note(field, chat.Unclear)
	}
	return nil
}

// include consumes what else the answer is to have. All but probabilities belongs to tools
// of the vendor, or is given in any case.
func (d *decoder) include(field string) error {
	if d.null() {
		return nil
	}
	if d.s.Kind() != rawjson.Array {
		return d.mismatch(field, anArray)
	}
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		switch d.word() {
		case sealedReasoning:
		case "message.output_text.logprobs":
			d.noteOnce(field, chat.LogProbs)
		default:
			d.noteOnce(field, chat.Tuning)
		}
	}
	return nil
}

// sealedReasoning is how a client asks for reasoning that it can bring back.
const sealedReasoning = "reasoning.encrypted_content"
