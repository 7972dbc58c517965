package openai

import (
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

var _ upstream.Fitter = (*Driver)(nil)

// Fit implements upstream.Fitter.
func (d *Driver) Fit(request *chat.Request, model string, parameters []chat.Parameter) []chat.Parameter {
	fitting := make([]chat.Parameter, 0, len(parameters))
	for _, parameter := range parameters {
		switch parameter.Name {
		case chat.SetTemperature, chat.SetTopP:
			if !d.settings.quirks.samples(model) {
				continue
			}
		case chat.SetEffort:
			if parameter.Value = d.settings.quirks.fitEffort(model, parameter.Value); parameter.Value == "" {
				continue
			}
		case chat.SetOutputLimit:
			if request.Source.Dialect == dialect && d.settings.quirks.limitField == oldLimit {
				parameter.Name = chat.SetOlderLimit
			}
		default:
		}
		fitting = append(fitting, parameter)
	}
	return fitting
}

// fitEffort is an effort, as JSON, that the model takes; empty: it takes none. Of which a model
// has its name does not tell: what an operator has set for it goes on, if it thinks at all.
func (q *quirks) fitEffort(model, value string) string {
	switch {
	case !q.anyEffort(), q.effortsByModel && q.official && !reasons(model):
		return ""
	case q.effortsByModel:
		return value
	}
	s := rawjson.Over([]byte(value))
	nearest := q.effort(model, chat.Thinking{Effort: chat.Effort(s.Text())})
	if nearest == "" {
		return ""
	}
	return string(rawjson.AppendString(nil, string(nearest)))
}
