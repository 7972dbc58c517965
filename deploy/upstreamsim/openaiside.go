package upstreamsim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// sideRequest is what an endpoint beside chat has read of a request.
type sideRequest interface {
	// modelID is the model that is asked for, or what the API takes where none is.
	modelID() string
	// check answers what the API would refuse.
	check(c *sideCall) *rejection
	// answer is the whole answer; the scenario is about how it arrives.
	answer(c *sideCall) sideAnswer
}

// endpoints read a request, by path.
var endpoints = map[string]func(*sideCall) (sideRequest, *rejection){
	"/v1/completions":          inJSON[legacyRequest],
	"/v1/embeddings":           inJSON[embeddingRequest],
	"/v1/moderations":          inJSON[moderationRequest],
	"/v1/rerank":               inJSON[rerankRequest],
	"/v1/images/generations":   inJSON[imageRequest],
	"/v1/images/edits":         readEdit,
	"/v1/images/variations":    readVariation,
	"/v1/audio/speech":         inJSON[speechRequest],
	"/v1/audio/transcriptions": readTranscription,
	"/v1/audio/translations":   readTranslation,
}

// sideCall is a request to one of endpoints.
type sideCall struct {
	exchange
	body    []byte
	request sideRequest
	manners manners
	number  uint64
	made    sideAnswer
}

// sideAnswer is a body, whole or in pieces that are sent one by one.
type sideAnswer struct {
	contentType string
	whole       []byte
	pieces      [][]byte // of a stream
}

const eventStream = "text/event-stream; charset=utf-8"

// wholeJSON is an answer in JSON.
func wholeJSON(value any) sideAnswer { return sideAnswer{contentType: jsonType, whole: jsonOf(value)} }

// eventOf is a server-sent event; a name of "" is left out.
func eventOf(name string, data any) []byte {
	var event []byte
	if name != "" {
		event = append(event, "event: "+name+"\n"...)
	}
	return slices.Concat(event, []byte("data: "), jsonOf(data), []byte("\n\n"))
}

func inJSON[R any, P interface {
	*R
	sideRequest
}](c *sideCall) (sideRequest, *rejection) {
	if err := c.checkJSON(); err != nil {
		return nil, misused("", "%v", err)
	}
	request := P(new(R))
	if err := json.Unmarshal(c.body, request); err != nil {
		return nil, wrongJSON(c.body, "", err)
	}
	return request, nil
}

func (s *Simulator) serveSide(w http.ResponseWriter, r *http.Request) {
	c := &sideCall{exchange: s.newExchange(OpenAI, w, r)}
	defer func() { c.entry.close(r.Context()) }()
	body, err := c.exchange.body()
	if err != nil {
		c.refuse(misused("", "%v", err))
		return
	}
	defer putBody(body)
	c.body = body.Bytes()
	request, problem := endpoints[r.URL.Path](c)
	model := ""
	if problem == nil {
		c.request, model = request, request.modelID()
	}
	c.manners = mannersOf(model)
	c.choose(model)
	_ = c.run(problem) // an error is a client that has gone
}

// run is completionCall.answer for other endpoints.
func (c *sideCall) run(problem *rejection) error {
	if err := c.pause(c.rule.Delay); err != nil {
		return err
	}
	if !c.authenticated() {
		return c.failStatus(http.StatusUnauthorized)
	}
	if problem == nil {
		problem = c.request.check(c)
	}
	if problem != nil {
		c.refuse(problem)
		return nil
	}
	script, known := sideScripts[c.scenario.kind]
	if !known {
		return c.failStatus(http.StatusNotFound)
	}
	c.number = c.sim.sequence.Add(1)
	c.made = c.request.answer(c)
	return script(c)
}

// sideScripts are the scenarios of these endpoints, which are also chat's.
var sideScripts = map[string]func(*sideCall) error{
	normal:         (*sideCall).tell,
	countForm:      (*sideCall).tell, // the legacy completions count
	"big":          (*sideCall).tell, // images are big
	"echo-request": (*sideCall).echoRequest,
	"one-write":    (*sideCall).oneWrite,
	"split-bytes":  func(c *sideCall) error { return inOrder(c.head, c.byteByByte(c.made.bytes())) },

	delayForm:         func(c *sideCall) error { return inOrder(c.delay, c.tell) },
	"slow":            (*sideCall).slow,
	"hold":            (*sideCall).holdWithin,
	"silence":         func(c *sideCall) error { return inOrder(c.head, c.control.Flush, c.hold, c.end(c.made.bytes())) },
	"silence-headers": func(c *sideCall) error { return inOrder(c.hold, c.tell) },

	"error-after-text":     (*sideCall).errorWithin,
	"error-context-length": func(c *sideCall) error { return c.fail(http.StatusBadRequest, contextLength()) },
	httpForm: func(c *sideCall) error {
		return c.answerStatus(jsonOf(statusError(c.scenario.number, c.scenario.variant).body()))
	},

	"eof-mid-frame":  (*sideCall).half,
	"eof-no-trailer": (*sideCall).half,
	"cut":            func(c *sideCall) error { return inOrder(c.half, c.cut) },
	"reset":          func(c *sideCall) error { return inOrder(c.half, c.reset) },
	"reset-first":    func(c *sideCall) error { return c.reset() },
	"garbage":        func(c *sideCall) error { return inOrder(c.head, c.end([]byte(`{"id": what`))) },
}

func (a sideAnswer) bytes() []byte {
	if a.pieces == nil {
		return a.whole
	}
	return bytes.Join(a.pieces, nil)
}

// head sets the headers.
func (c *sideCall) head() error {
	header := c.w.Header()
	header.Set("X-Request-Id", "req_sim"+sixteenDigits(c.number))
	header.Set("Content-Type", c.made.contentType)
	return nil
}

// tell is the normal answer: whole with its length, or in pieces.
func (c *sideCall) tell() error {
	answer := c.made
	_ = c.head()
	if answer.pieces == nil {
		return c.answerWhole(http.StatusOK, answer.contentType, answer.whole)
	}
	last := len(answer.pieces) - 1
	return inOrder(c.sendAll(answer.pieces[:last]), c.between, c.end(answer.pieces[last]))
}

func (c *sideCall) sendAll(pieces [][]byte) step {
	return func() error {
		for i, piece := range pieces {
			if i > 0 {
				if err := c.between(); err != nil {
					return err
				}
			}
			if err := c.send(piece); err != nil {
				return err
			}
		}
		return nil
	}
}

// echoRequest answers the body as it came, under its own type.
func (c *sideCall) echoRequest() error {
	return c.answerWhole(http.StatusOK, c.r.Header.Get("Content-Type"), bytes.Clone(c.body))
}

func (c *sideCall) oneWrite() error { return inOrder(c.head, c.end(c.made.bytes())) }

func (c *sideCall) slow() error {
	c.slowDown()
	if c.made.pieces == nil {
		return inOrder(c.between, c.tell)
	}
	return c.tell()
}

func (c *sideCall) holdWithin() error {
	answer := c.made
	if answer.pieces == nil {
		return inOrder(c.hold, c.tell)
	}
	return inOrder(c.head, c.event(answer.pieces[0]), c.hold, c.sendAll(answer.pieces[1:]))
}

// half of the answer.
func (c *sideCall) half() error {
	answer := c.made.bytes()
	return inOrder(c.head, c.event(answer[:len(answer)/2]))
}

// errorWithin is an error event after some, or an error instead of a body that has none.
func (c *sideCall) errorWithin() error {
	answer := c.made
	if answer.contentType != eventStream {
		return c.failStatus(http.StatusInternalServerError)
	}
	failure := eventOf("error", statusError(http.StatusInternalServerError, "").body())
	return inOrder(c.head, c.sendAll(answer.pieces[:len(answer.pieces)/2]), c.end(failure))
}

// id is that of the answer.
func (c *sideCall) id(prefix string) string { return prefix + "sim" + sixteenDigits(c.number) }

func (c *sideCall) now() int64 { return c.sim.options.Now().Unix() }

// textTokens estimates as promptTokens does.
func textTokens(text string) int { return (len(text) + 3) / 4 }

// readTexts reads an input that is a text or some, or tokens or some lists of them, which are told
// as their JSON.
func readTexts(param string, raw json.RawMessage, most int, tokens bool) ([]string, *rejection) {
	if !given(raw) {
		return nil, missing(param)
	}
	if raw[0] == '"' {
		texts := make([]string, 1)
		_ = json.Unmarshal(raw, &texts[0]) // it is a string
		return texts, nil
	}
	expected := "one of a string or array of strings"
	if tokens {
		expected = "one of a string, array of strings, array of integers, or array of integer arrays"
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, wrongType(param, expected, jsonKind(raw))
	}
	switch {
	case len(list) == 0:
		return nil, emptyArray(param)
	case tokens && isTokens(raw):
		return []string{string(raw)}, nil
	case len(list) > most:
		return nil, longArray(param, most, len(list))
	}
	var texts []string
	for i, entry := range list {
		var text string
		switch {
		case json.Unmarshal(entry, &text) == nil && given(entry):
		case tokens && isTokens(entry):
			text = string(entry)
		default:
			return nil, wrongType(param+"["+strconv.Itoa(i)+"]", expected, jsonKind(entry))
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// isTokens tells a list of token numbers.
func isTokens(raw json.RawMessage) bool {
	var numbers []uint32
	return given(raw) && json.Unmarshal(raw, &numbers) == nil && len(numbers) > 0
}
