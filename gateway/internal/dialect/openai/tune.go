package openai

import (
	"slices"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// Tune implements dialect.Tuner.
func (API) Tune(request *chat.Request, parameters []chat.Parameter) (*chat.Request, error) {
	body := request.Source.JSON
	for _, parameter := range parameters {
		if !parameter.OnlyDefault || !says(request, body, parameter.Name) {
			body = rawjson.WithMembers(body, membersFor(body, parameter)...)
		}
	}
	tuned, err := Decode(body, request.ID, request.Created)
	if err != nil {
		return nil, err
	}
	tuned.Source.Query, tuned.Source.Header = request.Source.Query, request.Source.Header
	return tuned, nil
}

// says tells whether the client itself has said something of what a parameter is about.
func says(request *chat.Request, body []byte, name chat.ParameterName) bool {
	switch name {
	case chat.SetEffort:
		wish := request.Thinking
		return wish.Effort != "" || wish.Mode == chat.ThinkingOff || wish.Budget > 0 || rawjson.MemberOf(body, "reasoning_effort") != nil
	case chat.SetOutputLimit:
		return request.MaxTokens > 0
	default:
		return rawjson.MemberOf(body, string(name)) != nil // the API has them by the same names
	}
}

// membersFor is what a body is to have for a parameter.
func membersFor(body []byte, parameter chat.Parameter) []rawjson.Member {
	switch parameter.Name {
	case chat.SetEffort:
		return effortMembers(body, parameter.Value)
	case chat.SetOutputLimit:
		return limitMembers(body, parameter.Value)
	default:
		return []rawjson.Member{{Name: string(parameter.Name), Value: parameter.Value}}
	}
}

// limitMembers bound the answer by the name that the client uses: some upstreams know but one.
func limitMembers(body []byte, limit string) []rawjson.Member {
	var members []rawjson.Member
	for _, name := range []string{"max_tokens", newLimit} {
		if rawjson.MemberOf(body, name) != nil {
			members = append(members, rawjson.Member{Name: name, Value: limit})
		}
	}
	if members == nil {
		members = []rawjson.Member{{Name: newLimit, Value: limit}}
	}
	return members
}

// effortMembers say how much the model is to think, and no member beside that it is to think
// otherwise: upstreams have many.
func effortMembers(body []byte, effort string) []rawjson.Member {
	off := effort == `"none"`
	switched, thinking := "true", ""
	if off {
		switched, thinking = "false", `{"type":"disabled"}`
	}
	members := []rawjson.Member{{Name: "thinking_budget"}}
	reasoning := rawjson.MemberOf(body, "reasoning")
	if isObject(reasoning) {
		members = append(members, rawjson.Member{Name: "reasoning", Value: string(rawjson.WithMembers(reasoning,
			rawjson.Member{Name: "effort", Value: effort}, rawjson.Member{Name: "max_tokens"}, rawjson.Member{Name: "enabled"}))})
	}
	if !isObject(reasoning) || rawjson.MemberOf(body, "reasoning_effort") != nil {
		members = append(members, rawjson.Member{Name: "reasoning_effort", Value: effort})
	}
	if rawjson.MemberOf(body, "thinking") != nil {
		members = append(members, rawjson.Member{Name: "thinking", Value: thinking})
	}
	if rawjson.MemberOf(body, "enable_thinking") != nil {
		members = append(members, rawjson.Member{Name: "enable_thinking", Value: switched})
	}
	return slices.Concat(members, templateMembers(body, switched))
}

// templateMembers are for templates of models that a body switches thinking of.
func templateMembers(body []byte, switched string) []rawjson.Member {
	template := rawjson.MemberOf(body, "chat_template_kwargs")
	if !isObject(template) {
		return nil
	}
	var members []rawjson.Member
	for _, name := range []string{"enable_thinking", "thinking"} {
		if rawjson.MemberOf(template, name) != nil {
			members = append(members, rawjson.Member{Name: name, Value: switched})
		}
	}
	if members == nil {
		return nil
	}
	return []rawjson.Member{{Name: "chat_template_kwargs", Value: string(rawjson.WithMembers(template, members...))}}
}

func isObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }
