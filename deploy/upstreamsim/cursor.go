package upstreamsim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

const cursorPath = "/aiserver.v1.AiService/StreamChat"

// cursorCall is one StreamChat call.
type cursorCall struct {
	exchange
	request *aiserverv1.GetChatRequest
}

// POST /aiserver.v1.AiService/StreamChat
func (s *Simulator) serveStreamChat(w http.ResponseWriter, r *http.Request) {
	c := &cursorCall{exchange: s.newExchange(Cursor, w, r)}
	defer func() { c.entry.close(r.Context()) }()
	body, err := c.body()
	if err != nil {
		c.refuse(problems{"the body can't be read: " + err.Error()})
		return
	}
	defer putBody(body)
	problems := s.checkHead(r, c.entry.account)
	request, inBody := checkBody(body.Bytes())
	c.request = request
	c.choose(request.GetModelDetails().GetModelName())
	if problems = append(problems, inBody...); len(problems) > 0 {
		c.refuse(problems)
		return
	}
	_ = c.answer() // an error is a client that has gone
}

// refuse answers a request that breaks assertions.
func (c *cursorCall) refuse(problems problems) {
	c.entry.violate(problems)
	body, err := json.Marshal(connectError{Code: "invalid_argument", Message: strings.Join(problems, "; ")})
	if err != nil {
		panic(err) // strings always marshal
	}
	_ = c.answerWhole(http.StatusBadRequest, "application/json", body)
}

// answer runs the scenario, after what comes before every scenario.
func (c *cursorCall) answer() error {
	if err := c.pause(c.rule.Delay); err != nil {
		return err
	}
	account := c.entry.account
	switch {
	case !c.sim.accepts(account):
		return c.failBare("unauthenticated")
	case account.web:
		return c.fail(int(aiserverv1.ErrorDetails_ERROR_NOT_LOGGED_IN), "")
	case account.expired(c.sim.options.Now()):
		return c.fail(int(aiserverv1.ErrorDetails_ERROR_AUTH_TOKEN_EXPIRED), "")
	case c.sim.outdated(c.r.Header.Get("x-cursor-client-version")):
		return c.failWith([]byte(updateRequired), 0)
	}
	if number, over := c.sim.count(account); over {
		return c.fail(number, "")
	}
	script, known := cursorScripts[c.scenario.kind]
	if !known {
		return c.fail(int(aiserverv1.ErrorDetails_ERROR_BAD_MODEL_NAME), "")
	}
	return script(c)
}

// text is what the normal answer echoes.
func (c *cursorCall) text() string {
	for _, message := range slices.Backward(c.request.GetConversation()) {
		if message.GetType() == aiserverv1.ConversationMessage_MESSAGE_TYPE_HUMAN && message.GetText() != "" {
			return message.GetText()
		}
	}
	return NoText
}

// RequestSummary is the answer of "echo-request" on the Cursor side.
type RequestSummary struct {
	Model          string           `json:"model"`
	Instructions   string           `json:"instructions"`
	SlowPool       *bool            `json:"slow_pool"`
	LongContext    *bool            `json:"long_context"`
	ClientVersion  string           `json:"client_version"`
	ClientKey      string           `json:"client_key"`
	Timezone       string           `json:"timezone"`
	GhostMode      string           `json:"ghost_mode"`
	UserAgent      string           `json:"user_agent"`
	Protocol       string           `json:"protocol"`
	RequestID      string           `json:"request_id"`
	HeaderID       string           `json:"x_request_id"`
	ConversationID string           `json:"conversation_id"`
	Messages       []MessageSummary `json:"messages"`
}

// MessageSummary is a message of a RequestSummary.
type MessageSummary struct {
	Role   string         `json:"role"` // HUMAN or AI
	Text   string         `json:"text"`
	Images []ImageSummary `json:"images,omitempty"`
}

// ImageSummary is an image of a MessageSummary or of an AgentRun.
type ImageSummary struct {
	SHA256 string `json:"sha256"`
	Bytes  int    `json:"bytes"`
	Width  int32  `json:"width"`
	Height int32  `json:"height"`
}

// pictureOf sums a picture up, but for its size.
func pictureOf(data []byte) ImageSummary {
	sum := sha256.Sum256(data)
	return ImageSummary{SHA256: hex.EncodeToString(sum[:]), Bytes: len(data)}
}

func (c *cursorCall) summary() RequestSummary {
	header, model := c.r.Header, c.request.GetModelDetails()
	summary := RequestSummary{
		Model: model.GetModelName(), Instructions: c.request.GetExplicitContext().GetContext(),
		LongContext:   c.request.LongContextMode,
		ClientVersion: header.Get("x-cursor-client-version"), ClientKey: header.Get("x-client-key"),
		Timezone: header.Get("x-cursor-timezone"), GhostMode: header.Get("x-ghost-mode"),
		UserAgent: c.r.UserAgent(), Protocol: c.r.Proto,
		RequestID: c.request.GetRequestId(), HeaderID: header.Get("x-request-id"), ConversationID: c.request.GetConversationId(),
	}
	if model != nil {
		summary.SlowPool = model.EnableSlowPool
	}
	for _, message := range c.request.GetConversation() {
		one := MessageSummary{Role: strings.TrimPrefix(message.GetType().String(), "MESSAGE_TYPE_"), Text: message.GetText()}
		for _, image := range message.GetImages() {
			told := pictureOf(image.GetData())
			told.Width, told.Height = image.GetDimension().GetWidth(), image.GetDimension().GetHeight()
			one.Images = append(one.Images, told)
		}
		summary.Messages = append(summary.Messages, one)
	}
	return summary
}

// serveUnknownRPC refuses the calls that the simulator doesn't have.
func (s *Simulator) serveUnknownRPC(w http.ResponseWriter, r *http.Request) {
	c := &cursorCall{exchange: s.newExchange(Cursor, w, r)}
	defer func() { c.entry.close(r.Context()) }()
	c.entry.violate([]string{"the path is " + r.URL.Path + " instead of " + cursorPath})
	_ = c.answerWhole(http.StatusNotFound, "application/json", []byte(`{"code":"unimplemented","message":"no such method"}`))
}
