package anthropic

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
)

// tunable are the fields that say what parameters do.
var tunable = []string{configField, thinkingField, "service_tier", "temperature", "top_p", limitField}

const (
	configField   = "output_config"
	thinkingField = "thinking"
	limitField    = "max_tokens"
)

// Tune implements dialect.Tuner. What the API has no word for stands in the canonical request
// alone, for upstreams that have one.
func (API) Tune(request *chat.Request, parameters []chat.Parameter) (*chat.Request, error) {
	body := rawjson.MembersOf(request.Source.JSON, tunable...)
	newRules := http.Header(request.Source.Header).Get("Anthropic-Version") == sealedSampling
	var wordless []chat.Parameter
	for _, parameter := range thinkingFirst(parameters) {
		switch {
		case parameter.OnlyDefault && says(request, parameter.Name):
		case parameter.Name == chat.SetThinkingBudget:
			setBudget(body, request, parameter)
		case hasWord(parameter, newRules || thinks(body)):
			setMember(body, parameter)
		default:
			wordless = append(wordless, parameter)
		}
	}
	tuned, err := decode(dialect.Incoming{
		Body: body.Object(), Header: request.Source.Header, Query: request.Source.Query,
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
	case chat.SetEffort, chat.SetThinkingBudget:
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

// thinkingFirst has what may make a model think before what it then refuses.
func thinkingFirst(parameters []chat.Parameter) []chat.Parameter {
	sorted := slices.Clone(parameters)
	slices.SortStableFunc(sorted, func(a, b chat.Parameter) int { return cmp.Compare(afterThinking(a), afterThinking(b)) })
	return sorted
}

func afterThinking(parameter chat.Parameter) int {
	switch parameter.Name {
	case chat.SetEffort, chat.SetThinkingBudget:
		return 0
	default:
		return 1
	}
}

// hasWord tells whether a body can say what a parameter does. Under the API's new rules, and
// while a model thinks, nobody sets how an answer is sampled.
func hasWord(parameter chat.Parameter, unsampled bool) bool {
	switch parameter.Name {
	case chat.SetEffort, chat.SetOutputLimit:
		return true
	case chat.SetServiceTier:
		return parameter.Value == `"auto"` || parameter.Value == `"standard_only"`
	case chat.SetTemperature, chat.SetTopP:
		return !unsampled
	default:
		return false
	}
}

// setMember puts a parameter into a body that can say it.
func setMember(body *rawjson.Members, parameter chat.Parameter) {
	switch parameter.Name {
	case chat.SetEffort:
		setEffort(body, chat.Effort(wordOf(parameter)))
	case chat.SetOutputLimit:
		setLimit(body, parameter)
	case chat.SetTemperature:
		value := parameter.Value
		if number := numberIn(value); number != nil && *number > maxTemperature {
			value = "1"
		}
		body.Set("temperature", value)
	default:
		body.Set(string(parameter.Name), parameter.Value) // the API has them by the same names
	}
}

// maxTemperature is where temperatures end; elsewhere they go to 2.
const maxTemperature = 1

// setEffort says how much the model is to think, so that it does: of no effort there is no word
// but that it is not to think at all.
func setEffort(body *rawjson.Members, effort chat.Effort) {
	value := body.Get(configField)
	if value == "" {
		value = "{}"
	}
	config := rawjson.MembersOf([]byte(value), "effort")
	if effort == chat.EffortNone {
		body.Set(thinkingField, `{"type":"disabled"}`)
		if config.Get("effort") != "" {
			config.Set("effort", "")
			body.Set(configField, string(config.Object()))
		}
		return
	}
	if effort == chat.EffortMinimal {
		effort = chat.EffortLow // the least that there is
	}
	config.Set("effort", string(rawjson.AppendString(nil, string(effort))))
	body.Set(configField, string(config.Object()))
	if rawjson.MembersOf([]byte(body.Get(thinkingField)), "type").Get("type") == `"disabled"` {
		body.Set(thinkingField, "")
	}
}

// thinks tells whether a body has the model think.
func thinks(body *rawjson.Members) bool {
	kind := rawjson.MembersOf([]byte(body.Get(thinkingField)), "type").Get("type")
	return kind == `"enabled"` || kind == `"adaptive"`
}

// setBudget says how much a model is to think that knows no efforts. One that does not think yet
// begins to where the API allows that, and the client has not said how the answer is sampled.
func setBudget(body *rawjson.Members, request *chat.Request, parameter chat.Parameter) {
	if config := rawjson.MembersOf([]byte(body.Get(configField)), "effort"); config.Get("effort") != "" {
		config.Set("effort", "")
		body.Set(configField, string(config.Object()))
	}
	budget, limit := numberIn(parameter.Value), numberIn(body.Get(limitField))
	if budget == nil || limit == nil || *limit <= leastBudget || !thinks(body) && !mayBeginToThink(request) {
		return
	}
	body.Set(thinkingField, `{"type":"enabled","budget_tokens":`+strconv.FormatFloat(min(*budget, *limit-1), 'f', -1, 64)+`}`)
}

// mayBeginToThink tells whether the API takes thinking in a request that has none: not in the
// middle of a tool's use, with a call that must be made, or with an answer to be continued.
func mayBeginToThink(request *chat.Request) bool {
	sampling := request.Sampling
	if sampling.Temperature != nil || sampling.TopP != nil || sampling.TopK != nil || request.ToolChoice.Mode == chat.ToolsRequired {
		return false
	}
	for i := len(request.Messages) - 1; i >= 0; i-- {
		switch message := &request.Messages[i]; {
		case message.Role == chat.Assistant:
			return false
		case slices.ContainsFunc(message.Parts, func(part chat.Part) bool { return part.Result != nil }):
			return false
		case message.Role == chat.User:
			return true
		}
	}
	return false
}

// leastBudget is the smallest budget of thinking that the API takes, in tokens.
const leastBudget = 1024

// setLimit bounds the answer. A budget of thinking has to be below that.
func setLimit(body *rawjson.Members, parameter chat.Parameter) {
	body.Set(limitField, parameter.Value)
	thinking := rawjson.MembersOf([]byte(body.Get(thinkingField)), "budget_tokens")
	budget, limit := numberIn(thinking.Get("budget_tokens")), numberIn(parameter.Value)
	switch {
	case budget == nil || limit == nil || *budget < *limit:
	case *limit > leastBudget:
		thinking.Set("budget_tokens", strconv.FormatFloat(*limit-1, 'f', -1, 64))
		body.Set(thinkingField, string(thinking.Object()))
	default:
		body.Set(thinkingField, `{"type":"disabled"}`)
	}
}

// setField puts what a body can't say into the canonical request.
func setField(request *chat.Request, parameter chat.Parameter) {
	switch parameter.Name {
	case chat.SetVerbosity:
		request.Verbosity = wordOf(parameter)
	case chat.SetServiceTier:
		request.ServiceTier = wordOf(parameter)
	case chat.SetTemperature:
		request.Sampling.Temperature = numberIn(parameter.Value)
	case chat.SetTopP:
		request.Sampling.TopP = numberIn(parameter.Value)
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
func numberIn(value string) *float64 {
	number, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return nil
	}
	return &number
}
