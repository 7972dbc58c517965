package responses

import (
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// update is what items of type configuration_update say of the answers behind them: each setting
// holds until a later item replaces it, and comes before that of the request itself.
type update struct {
	effort chat.Effort
	output *chat.Output
	// asks are what these items ask for.
	asks []chat.Ask
}

// configuration consumes such an item.
func (d *decoder) configuration(at place) error {
	request := *d.req
	defer func() {
		d.req.Thinking, d.req.Output, d.req.Verbosity, d.req.Asks = request.Thinking, request.Output, request.Verbosity, request.Asks
	}()
	return d.members(func(key []byte) (err error) {
		d.req.Asks = nil
		switch string(key) {
		case "reasoning":
			if err = d.reasoningWish(at.field("reasoning")); d.req.Thinking.Effort != "" {
				d.update.effort = d.req.Thinking.Effort
			}
			d.update.asks = append(d.update.asks, d.req.Asks...)
		case "text":
			err = d.textWish(at.field("text"))
			output := d.req.Output
			earlier := func(ask chat.Ask) bool { return strings.Contains(ask.Field, ".text.") }
			d.update.output, d.update.asks = &output, append(slices.DeleteFunc(d.update.asks, earlier), d.req.Asks...)
		default:
			d.s.Skip()
		}
		return err
	})
}

// configure has the request be as the latest items say.
func (d *decoder) configure() {
	if d.update.effort != "" {
		d.req.Thinking.Effort, d.req.Thinking.Mode = d.update.effort, modeOf(d.update.effort)
	}
	if d.update.output != nil {
		const format = "text.format"
		d.req.Asks = slices.DeleteFunc(d.req.Asks, func(ask chat.Ask) bool { return strings.HasPrefix(ask.Field, format) })
		d.req.Output = *d.update.output
	}
	d.req.Asks = append(d.req.Asks, d.update.asks...)
}

// modeOf is whether a model thinks at all with that effort; empty: it is the model's to say.
func modeOf(effort chat.Effort) (mode chat.ThinkingMode) {
	if effort == chat.EffortNone {
		mode = chat.ThinkingOff
	}
	return mode
}
