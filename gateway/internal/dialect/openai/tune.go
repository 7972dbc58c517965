package openai

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// oldLimit is the name of the bound of an answer that came before newLimit. Some upstreams know
// but one of them.
const oldLimit = "max_tokens"

// tunable are the fields that say what parameters do. Of efforts upstreams have many.
var tunable = []string{
	"reasoning_effort", "reasoning", "thinking", "thinking_budget", "enable_thinking", templateField,
	"verbosity", "service_tier", "temperature", "top_p", oldLimit, newLimit,
}

// templateField is for a model's template, which may switch its thinking.
const templateField = "chat_template_kwargs"

// Tune implements dialect.Tuner.
func (a API) Tune(request *chat.Request, parameters []chat.Parameter) (*chat.Request, error) {
	if request.Source.Dialect != Dialect && a.Input != nil {
		return a.tuneInput(request, parameters)
	}
	body := rawjson.MembersOf(request.Source.JSON, tunable...)
	for _, parameter := range parameters {
		if parameter.OnlyDefault && says(request, body, parameter.Name) {
			continue
		}
		switch parameter.Name {
		case chat.SetEffort:
			setEffort(body, parameter.Value)
		case chat.SetOutputLimit:
			setLimit(body, newLimit, parameter.Value)
		case chat.SetOlderLimit:
			setLimit(body, oldLimit, parameter.Value)
		default:
			body.Set(string(parameter.Name), parameter.Value) // the API has them by the same names
		}
	}
	tuned, err := Decode(body.Object(), request.ID, request.Created)
	if err != nil {
		return nil, err
	}
	tuned.Source.Query, tuned.Source.Header = request.Source.Query, request.Source.Header
	return tuned, nil
}

// says tells whether the client itself has said something of what a parameter is about.
func says(request *chat.Request, body *rawjson.Members, name chat.ParameterName) bool {
	switch name {
	case chat.SetEffort:
		wish := request.Thinking
		return wish.Effort != "" || wish.Mode == chat.ThinkingOff || wish.Budget > 0 || body.Get("reasoning_effort") != ""
	case chat.SetOutputLimit, chat.SetOlderLimit:
		return request.MaxTokens > 0
	default:
		return body.Get(string(name)) != ""
	}
}

// setLimit bounds the answer by the name that the client uses, and by this one where it uses
// none.
func setLimit(body *rawjson.Members, name, limit string) {
	if body.Get(oldLimit) == "" && body.Get(newLimit) == "" {
		body.Set(name, limit)
		return
	}
	replace(body, oldLimit, limit)
	replace(body, newLimit, limit)
}

// setEffort says how much the model is to think, in the place where the client says it, and
// leaves nothing beside that says otherwise.
func setEffort(body *rawjson.Members, effort string) {
	reasoning := body.Get("reasoning")
	if isObject(reasoning) {
		members := rawjson.MembersOf([]byte(reasoning), "effort", "max_tokens", "enabled")
		members.Set("effort", effort)
		members.Set("max_tokens", "")
		members.Set("enabled", "")
		body.Set("reasoning", string(members.Object()))
	}
	if !isObject(reasoning) || body.Get("reasoning_effort") != "" {
		body.Set("reasoning_effort", effort)
	}
	body.Set("thinking_budget", "")
	switched, thinking := "true", ""
	if effort == `"none"` {
		switched, thinking = "false", `{"type":"disabled"}`
	}
	replace(body, "thinking", thinking)
	replace(body, "enable_thinking", switched)
	if template := body.Get(templateField); isObject(template) {
		members := rawjson.MembersOf([]byte(template), "enable_thinking", "thinking")
		replace(members, "enable_thinking", switched)
		replace(members, "thinking", switched)
		body.Set(templateField, string(members.Object()))
	}
}

// replace sets a member that is there.
func replace(members *rawjson.Members, name, value string) {
	if members.Get(name) != "" {
		members.Set(name, value)
	}
}

func isObject(value string) bool { return strings.HasPrefix(value, "{") }
