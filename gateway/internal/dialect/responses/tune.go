package responses

import (
	"net/http"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// paths are where a body says what can be set.
var paths = map[chat.ParameterName][]string{
	chat.SetEffort:      {"reasoning", "effort"},
	chat.SetVerbosity:   {"text", "verbosity"},
	chat.SetServiceTier: {"service_tier"},
	chat.SetTemperature: {"temperature"},
	chat.SetTopP:        {"top_p"},
	chat.SetOutputLimit: {"max_output_tokens"},
}

// Tune implements dialect.Tuner.
func (a API) Tune(request *chat.Request, parameters []chat.Parameter) (*chat.Request, error) {
	body := request.Source.JSON
	for _, parameter := range parameters {
		path, known := paths[parameter.Name]
		if !known {
			return nil, chat.Errorf(chat.Internal, "the parameter %q has no place in a request of the Responses API", parameter.Name)
		}
		body = setAt(body, path, parameter.Value, parameter.OnlyDefault)
	}
	tuned, err := a.decode(dialect.Incoming{
		Body: body, Header: http.Header(request.Source.Header), Query: request.Source.Query, Previous: request.Source.Previous,
		RequestID: strings.TrimPrefix(request.ID, idPrefix), Received: request.Created,
	})
	if err != nil {
		return nil, err
	}
	// What was said beside the body still holds.
	tuned.ID, tuned.Model, tuned.Session = request.ID, request.Model, request.Session
	tuned.IncludeUsage = request.IncludeUsage
	for _, parameter := range parameters { // nor do items of the conversation come before it
		if effort, known := efforts[strings.Trim(parameter.Value, `"`)]; parameter.Name == chat.SetEffort && !parameter.OnlyDefault && known {
			tuned.Thinking.Effort, tuned.Thinking.Mode = effort, modeOf(effort)
		}
	}
	return tuned, nil
}

// setAt is an object with a value at the end of a path of members. With onlyDefault one that is
// there stays; null stands for none.
func setAt(object []byte, path []string, value string, onlyDefault bool) []byte {
	now := member(object, path[0])
	if len(path) == 1 {
		if onlyDefault && now != nil {
			return object
		}
		return changed(object, change{path[0], value})
	}
	if now == nil {
		now = []byte("{}")
	}
	return changed(object, change{path[0], string(setAt(now, path[1:], value, onlyDefault))})
}
