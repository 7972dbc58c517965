package upstreamsim

import (
	"errors"
	"net/http"
)

const (
	messagesPath = "/v1/messages"
	countPath    = "/v1/messages/count_tokens"
)

// messageCall is one request to POST /v1/messages, or to its token count.
type messageCall struct {
	exchange
	checker  checker
	number   uint64
	counting bool
	raw      []byte
	body     *node
	turns    []turn
	format   messageFormat
	// streaming is the form of the answer.
	streaming bool
}

// isAnthropic tells the list of models apart from OpenAI's, which has the same path.
func isAnthropic(r *http.Request) bool {
	return r.Header.Get("Anthropic-Version") != "" || r.Header.Get("X-Api-Key") != ""
}

// newMessageCall reads who asks. Every answer has the headers that it sets.
func (s *Simulator) newMessageCall(w http.ResponseWriter, r *http.Request) *messageCall {
	m := &messageCall{
		exchange: exchange{sim: s, w: w, r: r, control: http.NewResponseController(w), entry: s.beginEntry(Anthropic, apiKey(r))},
		number:   s.sequence.Add(1),
		checker:  checker{blocks: s.blocks, betas: betasOf(r), version: r.Header.Get("Anthropic-Version")},
	}
	w.Header().Set("Request-Id", m.requestID())
	w.Header().Set("Anthropic-Organization-Id", organizationID(m.entry.account.organization))
	return m
}

func (m *messageCall) requestID() string { return "req_sim" + sixteenDigits(m.number) }

// POST /v1/messages, POST /v1/messages/count_tokens
func (s *Simulator) serveMessages(w http.ResponseWriter, r *http.Request) {
	m := s.newMessageCall(w, r)
	m.counting = r.URL.Path == countPath
	defer func() { m.entry.close(r.Context()) }()
	body, err := m.exchange.body()
	if err != nil {
		m.choose("")
		m.unreadable(err)
		return
	}
	defer putBody(body)
	m.raw = body.Bytes()
	var malformed error
	if m.body, malformed = parseJSON(m.raw); malformed != nil {
		m.body = &node{kind: nullKind}
	}
	m.choose(m.body.get("model").string())
	if err := m.pause(m.rule.Delay); err != nil {
		return
	}
	status, failure := m.credentials()
	switch {
	case failure != nil:
		_ = m.refuse(status, *failure)
	case !s.accepts(m.entry.account):
		_ = m.failStatus(http.StatusUnauthorized)
	case malformed != nil:
		_ = m.refuse(http.StatusBadRequest, invalidRequest("The request body is not valid JSON: "+malformed.Error()))
	default:
		_ = m.answer() // an error is a client that has gone
	}
}

// unreadable answers a body that is too large, or that broke off.
func (m *messageCall) unreadable(err error) {
	status := http.StatusBadRequest
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	_ = m.refuse(status, vendorErrorOf(status, ""))
}

// refuse answers a request that no client library sends.
func (m *messageCall) refuse(status int, failure vendorError) error {
	m.entry.violate([]string{failure.Message})
	return m.fail(status, failure)
}

func (m *messageCall) fail(status int, failure vendorError) error {
	return m.writeWhole(status, jsonType, failure.object(m.requestID()))
}

// answer checks the body and runs the scenario.
func (m *messageCall) answer() error {
	if m.checker.check(m.body, m.counting); m.checker.problem != "" {
		return m.refuse(http.StatusBadRequest, invalidRequest(m.checker.problem))
	}
	script, known := anthropicScripts[m.scenario.kind]
	if !known {
		return m.fail(http.StatusNotFound, vendorErrorOf(http.StatusNotFound, m.entry.modelID))
	}
	m.turns = turnsOf(m.body.get("messages"))
	if problem := m.sim.badSeal(m.turns); problem != "" {
		return m.fail(http.StatusBadRequest, invalidRequest(problem)) // not the fault of a driver alone
	}
	m.streaming = m.body.get("stream").isTrue()
	m.format = newMessageFormat(m.number, m.entry.modelID)
	return script(m)
}
