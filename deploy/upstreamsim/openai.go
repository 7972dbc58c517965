package upstreamsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// modelCreated is the creation time of every model in the list, 2024-01-31.
const modelCreated = 1706659200

// completionCall is one chat completion.
type completionCall struct {
	exchange
	body    []byte
	request completionRequest
	format  chunkFormat
	// reasoningField is where reasoning stands in messages and deltas.
	reasoningField string
	cached         int // tokens of the prompt, in the usage
}

// POST /v1/chat/completions
func (s *Simulator) serveCompletions(w http.ResponseWriter, r *http.Request) {
	c := &completionCall{exchange: s.newExchange(OpenAI, w, r), reasoningField: "reasoning_content"}
	defer func() { c.entry.close(r.Context()) }()
	body, err := c.exchange.body()
	if err != nil {
		c.refuse(misused("", "%v", err))
		return
	}
	defer putBody(body)
	c.body = body.Bytes()
	problem := c.decode()
	c.choose(c.request.Model)
	_ = c.answer(problem) // an error is a client that has gone
}

func (c *completionCall) decode() *rejection {
	if err := c.checkJSON(); err != nil {
		return misused("", "%v", err)
	}
	return decodeRequest(c.body, &c.request)
}

// checkJSON is for the head of a request with a JSON body.
func (x *exchange) checkJSON() error {
	if x.r.Method != http.MethodPost {
		return fmt.Errorf("the method is %s instead of POST", x.r.Method)
	}
	kind, _, _ := strings.Cut(x.r.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(kind) != "application/json" {
		return fmt.Errorf("the content-type is %q instead of application/json", kind)
	}
	return nil
}

// refuse answers a request that the API does not take.
func (x *exchange) refuse(problem *rejection) {
	if !problem.unforeseen {
		x.entry.violate([]string{problem.Message})
	}
	body := []byte(problem.body)
	if len(body) == 0 {
		body = jsonOf(problem.apiError.body())
	}
	_ = x.answerWhole(problem.httpStatus(), jsonType, body)
}

// answer runs the scenario, after what comes before every scenario. problem is what decoding
// has found.
func (c *completionCall) answer(problem *rejection) error {
	if err := c.pause(c.rule.Delay); err != nil {
		return err
	}
	if !c.authenticated() {
		return c.failStatus(http.StatusUnauthorized)
	}
	if problem == nil {
		problem = c.request.check(c.body)
	}
	if problem != nil {
		c.refuse(problem)
		return nil
	}
	script, known := openAIScripts[c.scenario.kind]
	if !known {
		return c.failStatus(http.StatusNotFound)
	}
	if c.request.manners.has(caching) {
		c.cached = c.cachedTokens()
	}
	c.format = newChunkFormat(c.sim.sequence.Add(1), c.sim.options.Now(), &c.request)
	return script(c)
}

func (x *exchange) authenticated() bool {
	return x.entry.account.hash != "" && x.sim.accepts(x.entry.account)
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
	scripted := scenarioOf(id) != normal && hasScript(parseScenario(scenarioOf(id)).kind)
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
	names := append(Scenarios(OpenAI), Scenarios(OpenAIResponses)...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !strings.Contains(name, "<") {
			models = append(models, newModel("sim-"+name))
		}
	}
	return models
}

// hasScript tells whether Chat or Responses have a scenario.
func hasScript(kind string) bool { return openAIScripts[kind] != nil || responsesScripts[kind] != nil }

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
