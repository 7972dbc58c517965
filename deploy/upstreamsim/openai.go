package upstreamsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// modelCreated is the creation time of every model in the list, 2024-01-31.
const modelCreated = 1706659200

// completionRequest is what the simulator reads of a chat request.
type completionRequest struct {
	Model         string    `json:"model"`
	Messages      []message `json:"messages"`
	Stream        bool      `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Tools []struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
}

type message struct {
	Role    string `json:"role"`
	Content text   `json:"content"`
}

// text is a message's content: a string, or parts of which the text counts.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case 'n': // null
		*t = ""
		return nil
	case '"':
		return json.Unmarshal(raw, (*string)(t))
	case '[':
	default:
		return errors.New("content is neither a string nor a list of parts")
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	var texts []string
	for _, part := range parts {
		if part.Type == "text" {
			texts = append(texts, part.Text)
		}
	}
	*t = text(strings.Join(texts, "\n"))
	return nil
}

// lastText is what the normal answer echoes.
func (r *completionRequest) lastText() string {
	for _, message := range slices.Backward(r.Messages) {
		if message.Role == "user" && message.Content != "" {
			return string(message.Content)
		}
	}
	return NoText
}

// promptTokens is an estimate that depends on nothing but the messages.
func (r *completionRequest) promptTokens() int {
	tokens := 3
	for _, message := range r.Messages {
		tokens += 4 + (len(message.Content)+3)/4
	}
	return tokens
}

func (r *completionRequest) check() error {
	switch {
	case r.Model == "":
		return errors.New("you must provide a model parameter")
	case len(r.Messages) == 0:
		return errors.New("messages is absent or empty")
	default:
		return nil
	}
}

// completionCall is one chat completion.
type completionCall struct {
	exchange
	body    []byte
	request completionRequest
	format  chunkFormat
}

// POST /v1/chat/completions
func (s *Simulator) serveCompletions(w http.ResponseWriter, r *http.Request) {
	c := &completionCall{exchange: s.newExchange(OpenAI, w, r)}
	defer func() { c.entry.close(r.Context()) }()
	body, err := c.exchange.body()
	if err != nil {
		c.refuse(err)
		return
	}
	defer putBody(body)
	c.body = body.Bytes()
	if err := c.decode(); err != nil {
		c.choose(c.request.Model)
		c.refuse(err)
		return
	}
	c.choose(c.request.Model)
	_ = c.answer() // an error is a client that has gone
}

func (c *completionCall) decode() error {
	if c.r.Method != http.MethodPost {
		return fmt.Errorf("the method is %s instead of POST", c.r.Method)
	}
	kind, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(kind) != "application/json" {
		return fmt.Errorf("the content-type is %q instead of application/json", kind)
	}
	if err := json.Unmarshal(c.body, &c.request); err != nil {
		return fmt.Errorf("the body is not a chat request: %w", err)
	}
	return c.request.check()
}

// refuse answers a request that no client library sends.
func (c *completionCall) refuse(problem error) {
	c.entry.violate([]string{problem.Error()})
	_ = c.fail(http.StatusBadRequest, apiError{Message: problem.Error(), Type: "invalid_request_error"})
}

// answer runs the scenario, after what comes before every scenario.
func (c *completionCall) answer() error {
	if err := c.pause(c.rule.Delay); err != nil {
		return err
	}
	if account := c.entry.account; account.hash == "" || !c.sim.accepts(account) {
		return c.failStatus(http.StatusUnauthorized, "")
	}
	script, known := openAIScripts[c.scenario.kind]
	if !known {
		return c.failStatus(http.StatusNotFound, "")
	}
	c.format = newChunkFormat(c.sim.sequence.Add(1), c.sim.options.Now(), &c.request)
	return script(c)
}

// modelObject is an entry of the model list.
type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int    `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func newModel(id string) modelObject { return modelObject{id, "model", modelCreated, "simulator"} }

// GET /v1/models, GET /v1/models/{id}
func (s *Simulator) serveModels(w http.ResponseWriter, r *http.Request) {
	token := bearer(r)
	if token == "" || !s.accepts(s.book.Load().tokens.get(token)) {
		writeError(w, http.StatusUnauthorized, statusError(http.StatusUnauthorized, ""))
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		writeError(w, http.StatusMethodNotAllowed, statusError(http.StatusMethodNotAllowed, ""))
		return
	}
	id, single := strings.CutPrefix(r.URL.Path, "/v1/models/")
	if !single {
		writeJSON(w, map[string]any{"object": "list", "data": s.models()})
		return
	}
	scripted := scenarioOf(id) != normal && openAIScripts[parseScenario(scenarioOf(id)).kind] != nil
	if !scripted && !slices.Contains(s.options.Models, id) {
		writeError(w, http.StatusNotFound, statusError(http.StatusNotFound, ""))
		return
	}
	writeJSON(w, newModel(id))
}

// models are the configured ids and those scenarios that have no parameter.
func (s *Simulator) models() []modelObject {
	var models []modelObject
	for _, id := range s.options.Models {
		models = append(models, newModel(id))
	}
	for _, name := range Scenarios(OpenAI) {
		if !strings.Contains(name, "<") {
			models = append(models, newModel("sim-"+name))
		}
	}
	return models
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// serveUnknownPath notes a request that no upstream has.
func (s *Simulator) serveUnknownPath(w http.ResponseWriter, r *http.Request) {
	x := s.newExchange(unknown, w, r)
	defer func() { x.entry.close(r.Context()) }()
	x.entry.violate([]string{"there is no path " + r.URL.Path})
	var body bytes.Buffer
	_ = json.NewEncoder(&body).Encode(statusError(http.StatusNotFound, "").body())
	_ = x.answerWhole(http.StatusNotFound, "application/json", body.Bytes())
}
