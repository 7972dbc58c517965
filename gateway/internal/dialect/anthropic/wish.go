package anthropic

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// The bounds of what is kept of stop_sequences.
const (
	maxStops     = 16
	maxStopBytes = 1 << 10
)

// tuning are fields that shift how an answer is found. Each is counted by its name; fields
// of no name share one.
var tuning = map[string]bool{
	"context_management": true, "speed": true, "diagnostics": true, "fallback_credit_token": true, "betas": true, "safeguards": true,
}

// otherField stands for the fields that the dialect has no name for. Clients are younger
// than gateways: such a field is counted and never refused.
const otherField = "other"

// vendors are fields that only their vendor can fulfil.
var vendors = map[string]chat.Need{
	"mcp_servers": chat.HostedTools, "thread": chat.State, "container": chat.State, "fallbacks": chat.State, "context": chat.State,
	"inference_geo": chat.Unclear,
}

// wish consumes a field that shapes the answer.
func (d *decoder) wish(field string) (err error) {
	sampling := &d.req.Sampling
	switch field {
	case "temperature":
		sampling.Temperature, err = d.number(field)
		d.sampled(sampling.Temperature != nil, field)
	case "top_p":
		sampling.TopP, err = d.number(field)
		d.sampled(sampling.TopP != nil, field)
	case "top_k":
		sampling.TopK, err = d.integer(field)
		d.sampled(sampling.TopK != nil, field)
	case "stop_sequences":
		err = d.stops(field)
	case "thinking":
		err = d.thinkingWish(field)
	case "output_config":
		err = d.outputConfig(field)
	case "output_format": // the beta's name of output_config.format
		err = d.format(field)
	case "metadata":
		err = d.metadata(field)
	case "service_tier":
		d.req.ServiceTier, err = d.word(field)
		d.noteIf(d.req.ServiceTier != "", field, chat.Tuning)
	case "cache_control":
		d.req.Cache = d.cacheMark()
		d.noteIf(d.req.Cache != nil, field, chat.Tuning)
	default:
		d.other(field)
	}
	return err
}

func (d *decoder) other(field string) {
	need, known := vendors[field]
	if !known {
		if need = chat.Tuning; !tuning[field] {
			field = otherField
		}
	}
	d.noteIf(d.filled(), field, need)
}

// sampled notes a setting of sampling. Under the version of October 2026 there is none; an
// upstream of the dialect says so itself.
func (d *decoder) sampled(said bool, field string) {
	d.noteIf(said, field, chat.Tuning)
	if said && d.newRules {
		d.req.HistoryFault = chat.AsError(invalid(field, "this field is not permitted under anthropic-version "+sealedSampling))
	}
}

func (d *decoder) stops(field string) error {
	d.req.Stop = nil
	if d.null() {
		return nil
	}
	kept := true
	err := d.array(func() string { return field }, func(i int) error {
		if d.s.Kind() != rawjson.String {
			return d.mismatch(field+"."+strconv.Itoa(i), aString)
		}
		text := d.s.Text()
		kept = kept && len(text) <= maxStopBytes && len(d.req.Stop) < maxStops
		if kept && text != "" {
			d.req.Stop = append(d.req.Stop, text)
		}
		return nil
	})
	d.noteIf(!kept, field, chat.Unclear)
	return err
}

func (d *decoder) thinkingWish(field string) error {
	wish := &d.req.Thinking
	wish.Mode, wish.Budget, wish.Show = "", 0, ""
	if d.null() {
		return nil
	}
	kind := ""
	err := d.object(func() string { return field }, func(key []byte) (err error) {
		switch string(key) {
		case "type":
			kind, err = d.word(field + ".type")
		case "budget_tokens":
			var budget *int
			budget, err = d.integer(field + ".budget_tokens")
			if budget != nil {
				wish.Budget = max(*budget, 0)
			}
		case "display":
			wish.Show, err = d.word(field + ".display")
		default:
			d.s.Skip()
		}
		return err
	})
	if err != nil || d.s.Failed() {
		return err
	}
	switch kind {
	case "":
		return invalid(field+".type", required)
	case "disabled":
		wish.Mode = chat.ThinkingOff
	case "enabled":
		wish.Mode = chat.ThinkingOn
	default: // adaptive, and what is younger: when to think is the model's matter
		wish.Mode = chat.ThinkingAdaptive
	}
	d.note(field, chat.Tuning)
	return nil
}

func (d *decoder) outputConfig(field string) error {
	if d.null() {
		return nil
	}
	return d.object(func() string { return field }, func(key []byte) error {
		switch string(key) {
		case "effort":
			effort, err := d.word(field + ".effort")
			d.req.Thinking.Effort = chat.Effort(effort)
			d.noteIf(effort != "", field+".effort", chat.Tuning)
			return err
		case "format":
			return d.format(field + ".format")
		}
		d.noteIf(d.filled(), field, chat.Tuning)
		return nil
	})
}

// format consumes the form that the answer is to have.
func (d *decoder) format(field string) error {
	if d.null() {
		return nil
	}
	kind := ""
	var schema []byte
	err := d.object(func() string { return field }, func(key []byte) (err error) {
		switch string(key) {
		case "type":
			kind, err = d.word(field + ".type")
		case "schema":
			if d.s.Kind() != rawjson.Object {
				return d.mismatch(field+".schema", anObject)
			}
			schema = rawjson.Mended(d.s.Skip())
		default:
			d.s.Skip()
		}
		return err
	})
	switch {
	case err != nil || d.s.Failed():
		return err
	case kind == "":
		return invalid(field+".type", required)
	case kind != "json_schema":
		d.note(field, chat.Unclear)
		return nil
	case schema == nil:
		return invalid(field+".schema", required)
	}
	d.req.Output = chat.Output{Form: chat.SchemaOutput, Schema: schema}
	d.note(field, chat.JSONSchema)
	return nil
}

func (d *decoder) metadata(field string) error {
	if d.null() {
		return nil
	}
	return d.object(func() string { return field }, func(key []byte) (err error) {
		if string(key) != "user_id" {
			d.s.Skip()
			return nil
		}
		d.req.User, err = d.word(field + ".user_id")
		d.req.Session = sessionOf(d.req.User)
		d.noteIf(d.req.User != "", field, chat.Tuning)
		return err
	})
}
