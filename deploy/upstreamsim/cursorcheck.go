package upstreamsim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// longContextModels are the ids for which a client asks for the long context.
var longContextModels = []string{
	"gpt-4o-128k", "gemini-1.5-flash-500k", "claude-3-haiku-200k", "claude-3-5-sonnet-200k",
}

// problems collects what is wrong with a request, so that all of it is told at once.
// No text in it may quote a secret.
type problems []string

func (p *problems) require(met bool, format string, args ...any) {
	if !met {
		*p = append(*p, fmt.Sprintf(format, args...))
	}
}

func (p *problems) header(r *http.Request, name, want string) {
	got := r.Header.Get(name)
	p.require(got == want, "%s is %q instead of %q", name, got, want)
}

// checkHead checks method and headers.
func (s *Simulator) checkHead(r *http.Request, a *account) problems {
	var p problems
	p.require(r.Method == http.MethodPost, "the method is %s instead of POST", r.Method)
	p.require(bearer(r) != "", "authorization has no bearer token")
	p.header(r, "content-type", "application/connect+proto")
	accepted := strings.Split(strings.ReplaceAll(r.Header.Get("connect-accept-encoding"), " ", ""), ",")
	p.require(slices.Contains(accepted, "gzip"), "connect-accept-encoding has no gzip")
	return append(p, s.checkClient(r, a)...)
}

// checkClient checks the headers that every call of an RPC has.
func (s *Simulator) checkClient(r *http.Request, a *account) problems {
	var p problems
	p.header(r, "connect-protocol-version", "1")
	p.require(strings.HasPrefix(r.UserAgent(), "connect-es/"), "user-agent is %q instead of connect-es/…", r.UserAgent())
	id := r.Header.Get("x-request-id")
	p.require(isUUID(id) && id[14] == '4', "x-request-id is %q instead of a UUID of version 4", id)
	p.header(r, "x-amzn-trace-id", "Root="+id)
	if _, err := parseVersion(r.Header.Get("x-cursor-client-version")); err != nil {
		p.require(false, "x-cursor-client-version: %v", err)
	}
	ghost := r.Header.Get("x-ghost-mode")
	p.require(ghost == "true" || ghost == "false", "x-ghost-mode is %q instead of true or false", ghost)
	p.require(r.Header.Get("x-cursor-timezone") != "", "x-cursor-timezone is absent")
	key := r.Header.Get("x-client-key")
	p.require(key == "" || len(key) == hashLength && isHex(key), "x-client-key is not 64 hex digits")

	sum, err := parseChecksum(r.Header.Get("x-cursor-checksum"))
	if err != nil {
		return append(p, "x-cursor-checksum: "+err.Error())
	}
	p.require(sum.fresh(s.options.Now()), "x-cursor-checksum: the timestamp is not fresh")
	p.require(a.sameDevice(sum.device), "x-cursor-checksum: the token's device id changed")
	return p
}

// sameDevice tells whether the token has always come from the same device.
func (a *account) sameDevice(device string) bool {
	return a.device.CompareAndSwap(nil, &device) || *a.device.Load() == device
}

// checkBody decodes the one message of a request and checks it.
func checkBody(body []byte) (*aiserverv1.GetChatRequest, problems) {
	request := new(aiserverv1.GetChatRequest)
	payload, err := unframe(body)
	if err != nil {
		return request, problems{err.Error()}
	}
	if err := proto.Unmarshal(payload, request); err != nil {
		return request, problems{"the message is not a GetChatRequest"}
	}
	var p problems
	model := request.GetModelDetails().GetModelName()
	p.require(model != "", "the model name is absent")
	p.require(isUUID(request.GetRequestId()), "request_id is not a UUID")
	p.require(isUUID(request.GetConversationId()), "conversation_id is not a UUID")
	long := slices.Contains(longContextModels, model)
	p.require(request.GetLongContextMode() == long, "long_context_mode is %t for model %q", !long, model)
	p.checkRoles(request.GetConversation())
	return request, p
}

func (p *problems) checkRoles(conversation []*aiserverv1.ConversationMessage) {
	p.require(len(conversation)%2 == 1, "the conversation has %d messages and so can't begin and end with HUMAN", len(conversation))
	for i, message := range conversation {
		want := aiserverv1.ConversationMessage_MESSAGE_TYPE_HUMAN
		if i%2 == 1 {
			want = aiserverv1.ConversationMessage_MESSAGE_TYPE_AI
		}
		p.require(message.GetType() == want, "message %d is %s instead of %s", i, message.GetType(), want)
		p.require(isUUID(message.GetBubbleId()), "the bubble_id of message %d is not a UUID", i)
		for _, image := range message.GetImages() {
			p.require(len(image.GetData()) > 0, "an image of message %d is empty", i)
		}
	}
}

// parseVersion reads numbers with dots between them.
func parseVersion(text string) ([]int, error) {
	var version []int
	for part := range strings.SplitSeq(text, ".") {
		number, err := strconv.Atoi(part)
		if err != nil || number < 0 {
			return nil, fmt.Errorf("%q is not a version", text)
		}
		version = append(version, number)
	}
	return version, nil
}

// outdated tells whether the client's version is below the one that is served.
func (s *Simulator) outdated(version string) bool {
	least, err := parseVersion(*s.minVersion.Load())
	if err != nil {
		return false
	}
	client, err := parseVersion(version)
	return err != nil || slices.Compare(client, least) < 0
}
