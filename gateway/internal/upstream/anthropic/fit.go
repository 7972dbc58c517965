package anthropic

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

var _ upstream.Fitter = (*Driver)(nil)

// Fit implements upstream.Fitter. Only models that decide themselves how much they think know
// efforts: others are told a budget, or nothing.
func (d *Driver) Fit(_ *chat.Request, model string, parameters []chat.Parameter) []chat.Parameter {
	facts := factsOf(model)
	fitting := make([]chat.Parameter, 0, len(parameters))
	for _, parameter := range parameters {
		switch parameter.Name {
		case chat.SetTemperature, chat.SetTopP:
			if !d.settings.sampling {
				continue
			}
		case chat.SetEffort:
			effort := rawjson.Over([]byte(parameter.Value))
			budget := budgets[chat.Effort(effort.Text())]
			if budget == 0 || facts.adaptive {
				break // the first: it is not to think
			}
			if !facts.thinks {
				continue
			}
			parameter.Name, parameter.Value = chat.SetThinkingBudget, strconv.Itoa(budget)
		default:
		}
		fitting = append(fitting, parameter)
	}
	return fitting
}
