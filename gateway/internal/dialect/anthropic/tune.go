package anthropic

import (
	"net/http"
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
)

// Tune implements dialect.Tuner. What the API has no word for stands in the canonical request
// alone, for upstreams that have one.
func (API) Tune(request *chat.Request, parameters []chat.Parameter) (*chat.Request, error) {
	body := request.Source.JSON
	newRules := http.Header(request.Source.Header).Get("Anthropic-Version") == sealedSampling
	var wordless []chat.Parameter
	for _, parameter := range parameters {
		switch {
		case parameter.OnlyDefault && says(request, parameter.Name):
		case hasWord(parameter, newRules):
			body = rawjson.WithMembers(body, membersFor(body, parameter)...)
		default:
			wordless = append(wordless, parameter)
		}
	}
	tuned, err := decode(dialect.Incoming{
		Body: body, Header: request.Source.Header, Query: request.Source.Query,
		RequestID: strings.TrimPrefix(request.ID, idPrefix), Received: request.Created,
	}, false)
	if err != nil {
		return nil, err
	}
	for _, parameter := range wordless {
		setField(tuned, parameter)
	}
	return tuned, nil
}

// says tells whether the client itself has said something of what a parameter is about. That a
// model thinks when it finds it useful says nothing of how much.
func says(request *chat.Request, name chat.ParameterName) bool {
	switch name {
	case chat.SetEffort:
		wish := request.Thinking
		return wish.Effort != "" || wish.Mode == chat.ThinkingOff || wish.Budget > 0
	case chat.SetServiceTier:
		return request.ServiceTier != ""
	case chat.SetTemperature:
		return request.Sampling.Temperature != nil
	case chat.SetTopP:
		return request.Sampling.TopP != nil
	case chat.SetOutputLimit:
		return true // the API requires it
	default:
		return false
	}
}

// hasWord tells whether a body can say what a parameter does. Under newRules nobody sets how an
// answer is sampled.
func hasWord(parameter chat.Parameter, newRules bool) bool {
	switch parameter.Name {
	case chat.SetEffort, chat.SetOutputLimit:
		return true
	case chat.SetServiceTier:
		return parameter.Value == `"auto"` || parameter.Value == `"standard_only"`
	case chat.SetTemperature, chat.SetTopP:
		return !newRules
	default:
		return false
	}
}

// membersFor is what a body is to have for a parameter that it can say.
func membersFor(body []byte, parameter chat.Parameter) []rawjson.Member {
	switch parameter.Name {
	case chat.SetEffort:
		return effortMembers(body, wordOf(parameter))
	case chat.SetOutputLimit:
		return limitMembers(body, parameter)
	case chat.SetTemperature:
		value := parameter.Value
		if number := numberIn([]byte(parameter.Value)); number != nil && *number > maxTemperature {
			value = "1"
		}
		return []rawjson.Member{{Name: "temperature", Value: value}}
	default:
		return []rawjson.Member{{Name: string(parameter.Name), Value: parameter.Value}}
	}
}

// maxTemperature is where temperatures end; elsewhere they go to 2.
const maxTemperature = 1

// effortMembers say how much the model is to think, so that it does: of no effort there is no
// word but that it is not to think at all.
func effortMembers(body []byte, effort string) []rawjson.Member {
	config := rawjson.MemberOf(body, "output_config")
	if chat.Effort(effort) == chat.EffortNone {
		members := []rawjson.Member{{Name: "thinking", Value: `{"type":"disabled"}`}}
		if rawjson.MemberOf(config, "effort") != nil {
			members = append(members, rawjson.Member{Name: "output_config", Value: string(rawjson.WithMembers(config, rawjson.Member{Name: "effort"}))})
		}
		return members
	}
	if chat.Effort(effort) == chat.EffortMinimal {
		effort = string(chat.EffortLow) // the least that there is
	}
	if config == nil {
		config = []byte(`{}`)
	}
	said := rawjson.Member{Name: "effort", Value: string(rawjson.AppendString(nil, effort))}
	members := []rawjson.Member{{Name: "output_config", Value: string(rawjson.WithMembers(config, said))}}
	if kind := rawjson.MemberOf(rawjson.MemberOf(body, "thinking"), "type"); string(kind) == `"disabled"` {
		members = append(members, rawjson.Member{Name: "thinking"})
	}
	return members
}

// leastBudget is the smallest budget of thinking that the API takes, in tokens.
const leastBudget = 1024

// limitMembers bound the answer. A budget of thinking has to be below that.
func limitMembers(body []byte, parameter chat.Parameter) []rawjson.Member {
	members := []rawjson.Member{{Name: "max_tokens", Value: parameter.Value}}
	thinking := rawjson.MemberOf(body, "thinking")
	budget, limit := numberIn(rawjson.MemberOf(thinking, "budget_tokens")), numberIn([]byte(parameter.Value))
	switch {
	case budget == nil || limit == nil || *budget < *limit:
	case *limit > leastBudget:
		lower := rawjson.Member{Name: "budget_tokens", Value: strconv.FormatFloat(*limit-1, 'f', -1, 64)}
		members = append(members, rawjson.Member{Name: "thinking", Value: string(rawjson.WithMembers(thinking, lower))})
	default:
		members = append(members, rawjson.Member{Name: "thinking", Value: `{"type":"disabled"}`})
	}
	return members
}

// setField puts what a body can't say into the canonical request.
func setField(request *chat.Request, parameter chat.Parameter) {
	switch parameter.Name {
	case chat.SetVerbosity:
		request.Verbosity = wordOf(parameter)
	case chat.SetServiceTier:
		request.ServiceTier = wordOf(parameter)
	case chat.SetTemperature:
		request.Sampling.Temperature = numberIn([]byte(parameter.Value))
	case chat.SetTopP:
		request.Sampling.TopP = numberIn([]byte(parameter.Value))
	default:
		return
	}
	request.Asks = append(request.Asks, chat.Ask{Field: string(parameter.Name), Need: chat.Tuning})
}

// wordOf is a parameter's value that is a string.
func wordOf(parameter chat.Parameter) string {
	s := rawjson.Over([]byte(parameter.Value))
	return s.Text()
}

// numberIn is a value that is a number; nil: it is none.
func numberIn(value []byte) *float64 {
	number, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		return nil
	}
	return &number
}
