package upstreamsim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const responsesPath = "/v1/responses"

// responsesCall is one call of the Responses API. What the model says is that of Chat: the
// request is read as a chat, and the reply written as items.
type responsesCall struct {
	completionCall
	asked   *node   // the body
	items   []*node // the conversation: what came before, then the input
	given   []*node // the input alone, references resolved
	number  uint64  // of the answer
	next    int     // the sequence_number of the next event
	keeping func()  // keeps the answer when it comes to its end
	noUsage bool
	// summary and raw are how reasoning is told: in pieces of a summary, or as it is.
	summary, raw bool
	// annotated answers have a citation after their text.
	annotated bool
	// beats are keepalive events between the others.
	beats bool
}

// jsonBody is a JSON object in the making.
type jsonBody = map[string]any

// serveResponses is everything under /v1/responses.
func (s *Simulator) serveResponses(w http.ResponseWriter, r *http.Request) {
	if s.answerProbe(w, r) {
		return
	}
	c := &responsesCall{completionCall: completionCall{exchange: s.newExchange(OpenAIResponses, w, r)}}
	defer func() { c.entry.close(r.Context()) }()
	c.number = s.sequence.Add(1)
	c.headers()
	rest := strings.Trim(strings.TrimPrefix(r.URL.Path, responsesPath), "/")
	switch {
	case r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "HTTP/1.1")
		_ = c.fail(http.StatusUpgradeRequired, statusError(http.StatusUpgradeRequired, ""))
	case rest == "", rest == "input_tokens", rest == "compact":
		c.serveAsked(rest)
	default:
		c.serveKept(rest)
	}
}

// headers are those of every answer.
func (c *responsesCall) headers() {
	header := c.w.Header()
	header.Set("X-Request-Id", "req_sim"+sixteenDigits(c.number))
	header.Set("Openai-Organization", c.organization())
	header.Set("Openai-Version", "2020-10-01")
	header.Set("Openai-Processing-Ms", "7")
	header.Set("X-Ratelimit-Limit-Requests", "5000")
	header.Set("X-Ratelimit-Remaining-Requests", "4999")
	header.Set("X-Ratelimit-Reset-Requests", "12ms")
	if state := c.r.Header.Get("X-Codex-Turn-State"); state != "" {
		header.Set("X-Codex-Turn-State", state)
	} else if c.r.Header.Get("Originator") != "" {
		header.Set("X-Codex-Turn-State", "sim-turn-"+c.organization()+"-"+sixteenDigits(c.number))
	}
}

func (c *responsesCall) organization() string { return c.entry.account.organization }

// serveAsked is for calls with a body.
func (c *responsesCall) serveAsked(what string) {
	body, err := c.exchange.body()
	if err != nil {
		c.refuse(misused("", "%v", err))
		return
	}
	c.body = bytes.Clone(body.Bytes()) // what is kept refers to it
	putBody(body)
	problem := c.readBody()
	c.choose(c.asked.get("model").string())
	c.note(what)
	_ = c.run(what, problem) // an error is a client that has gone
}

func (c *responsesCall) readBody() *rejection {
	if err := c.checkJSON(); err != nil {
		return misused("", "%v", err)
	}
	asked, err := parseJSON(c.body)
	if err != nil {
		return misused("", "We could not parse the JSON body of your request: %v.", err)
	}
	c.asked = asked
	return nil
}

// parametersOf are what each call takes.
var parametersOf = map[string]properties{"": createProperties, "input_tokens": countProperties, "compact": compactProperties}

// run is completionCall.answer for the Responses API.
func (c *responsesCall) run(what string, problem *rejection) error {
	if err := c.pause(c.rule.Delay); err != nil {
		return err
	}
	if !c.authenticated() {
		return c.failStatus(http.StatusUnauthorized)
	}
	if problem == nil {
		parameters := func() *rejection { return checkParameters(c.asked, parametersOf[what]) }
		problem = firstOf(parameters, c.checkTogether, c.converse)
	}
	if problem != nil {
		c.refuse(problem)
		return nil
	}
	script, found := responsesScripts[c.scenario.kind]
	if !found {
		return c.failStatus(http.StatusNotFound)
	}
	switch what {
	case "input_tokens":
		return c.count(script)
	case "compact":
		return c.compact(script)
	}
	return script(c)
}

// converse reads the conversation and answers what is wrong with it.
func (c *responsesCall) converse() *rejection {
	kept := &c.entry.book.responses
	if id := c.asked.get("previous_response_id"); id != nil {
		before := kept.get(c.organization(), id.text)
		if before == nil {
			return rejected("previous_response_id", "previous_response_not_found", "Previous response with id '%s' not found.", id.text).unnoted()
		}
		c.items = before.conversation()
	}
	var problem *rejection
	if c.given, problem = c.input(kept); problem != nil {
		return problem
	}
	c.items = append(c.items, c.given...)
	problem = firstOf(
		func() *rejection { return checkItems(c.given) },
		func() *rejection { return checkCalls(c.items) },
		c.checkSeals,
	)
	if problem != nil {
		return problem
	}
	c.readAsChat()
	if c.request.manners.has(smallWindow) {
		limit, _ := c.request.limit()
		if prompt := c.request.promptTokens(); prompt+limit > smallWindowSize {
			return responsesWindow()
		}
	}
	if c.request.manners.has(caching) {
		c.cached = c.cachedItems()
	}
	return nil
}

// responsesWindow is the refusal of what is longer than the model's window.
func responsesWindow() *rejection {
	return rejected("input", "context_length_exceeded",
		"Your input exceeds the context window of this model. Please adjust your input and try again.")
}

// input are the items of the input, and those that it refers to; a text is a message of the user.
func (c *responsesCall) input(kept *responseStore) ([]*node, *rejection) {
	input := c.asked.get("input")
	if input != nil && input.kind == stringKind {
		return []*node{mustParse(jsonOf(jsonBody{"type": "message", "role": "user", "content": []jsonBody{{"type": "input_text", "text": input.text}}}))}, nil
	}
	var items []*node
	for _, item := range input.list() {
		kind, id := item.get("type").string(), item.get("id").string()
		stored := kept.item(c.organization(), id)
		switch {
		case refers(item) && stored == nil:
			return nil, lostItem(id)
		case refers(item):
			item = stored.item
		case stored != nil && stored.reasoning != "" && !holds(items, stored.reasoning) && !holds(c.items, stored.reasoning):
			return nil, misused("input", "Item '%s' of type '%s' was provided without its required 'reasoning' item: '%s'.", id, kind, stored.reasoning)
		}
		items = append(items, item)
	}
	return items, nil
}

// refers tells whether an item stands for one that is kept: a reference, or reasoning that brings
// nothing along.
func refers(item *node) bool {
	switch item.get("type").string() {
	case "item_reference":
		return true
	case "reasoning":
		return item.get("encrypted_content") == nil && len(item.get("content").list()) == 0
	case "":
		return item.get("role") == nil
	default:
		return false
	}
}

// holds tells whether an item of that id is among the items.
func holds(items []*node, id string) bool {
	for _, item := range items {
		if item.get("id").string() == id {
			return true
		}
	}
	return false
}

// mustParse reads JSON of the simulator's own.
func mustParse(text []byte) *node {
	parsed, err := parseJSON(text)
	if err != nil {
		panic(err) // the simulator has written it
	}
	return parsed
}

// storing tells whether the answer is to be kept, as it is unless the request says otherwise.
func (c *responsesCall) storing() bool {
	store := c.asked.get("store")
	return store == nil || store.isTrue()
}

func (c *responsesCall) streaming() bool { return c.asked.get("stream").isTrue() }

// ResponsesRecord is a call of the Responses API.
type ResponsesRecord struct {
	At time.Time `json:"at"`
	// Token and Organization are whose key came along.
	Token        string `json:"token"`
	Organization string `json:"organization"`
	Method       string `json:"method"`
	Path         string `json:"path"`
	Model        string `json:"model,omitempty"`
	// ID is that of the answer that is made, or asked for; Previous the one that it goes on from.
	ID       string `json:"id,omitempty"`
	Previous string `json:"previous,omitempty"`
	Stored   bool   `json:"stored"`
	// TurnState is the header x-codex-turn-state as it came.
	TurnState string `json:"turn_state,omitempty"`
}

// note records the call.
func (c *responsesCall) note(id string) {
	record := ResponsesRecord{
		At: c.sim.options.Now(), Token: c.entry.account.fingerprint, Organization: c.organization(), Method: c.r.Method, Path: c.r.URL.Path,
		Model: c.asked.get("model").string(), ID: id, TurnState: c.r.Header.Get("X-Codex-Turn-State"),
	}
	if c.r.URL.Path == responsesPath {
		record.ID, record.Previous, record.Stored = c.id(), c.asked.get("previous_response_id").string(), c.storing()
	}
	book := c.entry.book
	book.mu.Lock()
	defer book.mu.Unlock()
	book.responsesCalls = keepNewest(book.responsesCalls, record)
}

// ResponsesCalls are the newest calls of the Responses API since the last Reset, oldest first.
func (s *Simulator) ResponsesCalls() []ResponsesRecord {
	book := s.book.Load()
	book.mu.Lock()
	defer book.mu.Unlock()
	return append([]ResponsesRecord{}, book.responsesCalls...)
}

// count answers POST /v1/responses/input_tokens.
func (c *responsesCall) count(script func(*responsesCall) error) error {
	if c.scenario.kind == httpForm {
		return script(c)
	}
	return c.answerWhole(http.StatusOK, jsonType, jsonOf(jsonBody{"object": "response.input_tokens", "input_tokens": c.request.promptTokens()}))
}

// compact answers POST /v1/responses/compact: what users have said, and the rest as a seal.
func (c *responsesCall) compact(script func(*responsesCall) error) error {
	if c.scenario.kind == httpForm {
		return script(c)
	}
	output := []json.RawMessage{}
	for _, item := range c.items {
		if item.get("role").string() == "user" {
			output = append(output, item.raw)
		}
	}
	id := c.itemID("cmp", 0)
	output = append(output, jsonOf(jsonBody{
		"type": "compaction", "id": id, "encrypted_content": c.sim.wrap(compactionSeal, c.number, c.organization(), id, c.request.lastText()),
	}))
	usage := c.usage(says(pieces("compacted")))
	return c.answerWhole(http.StatusOK, jsonType, jsonOf(jsonBody{
		"id": c.id(), "object": "response.compaction", "created_at": c.sim.options.Now().Unix(), "output": output, "usage": usage,
	}))
}
