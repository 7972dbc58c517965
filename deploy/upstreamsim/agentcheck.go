package upstreamsim

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// Bounds of a request that the upstream was seen to refuse.
const (
	maxRoots    = 208
	maxUserText = 900_000 // bytes
)

// cliVersion is the form of a client's version. Builds are compared by their date.
var cliVersion = regexp.MustCompile(`^cli-(\d{4}\.\d\d\.\d\d)-[0-9a-f]{7,}$`)

// checkHead checks the headers of a Run; the error is what the Run ends with.
func (c *agentCall) checkHead() error {
	header := c.r.Header
	if header.Get("Connect-Protocol-Version") != "1" && c.violate(3, "connect-protocol-version is %q instead of 1", header.Get("Connect-Protocol-Version")) {
		return badArgument("unsupported protocol version")
	}
	if err := c.checkToken(); err != nil {
		return err
	}
	if err := c.checkClient(); err != nil {
		return err
	}
	return c.checkRequestID()
}

// checkToken looks at the bearer. Only its absence is the driver's fault: tokens end.
func (c *agentCall) checkToken() error {
	account, now := c.entry.account, c.sim.options.Now()
	if bearer(c.r) == "" {
		c.violate(4, "authorization has no bearer token")
		return failingEnum(int(aiserverv1.ErrorDetails_ERROR_NOT_LOGGED_IN))
	}
	switch {
	case !c.set.on(4):
		return nil
	case account.web, c.set.JWTOnly && account.subject == "", !c.sim.accepts(account):
		return failingEnum(int(aiserverv1.ErrorDetails_ERROR_NOT_LOGGED_IN))
	case account.expired(now):
		c.sim.logins.countExpired()
		return failingEnum(int(aiserverv1.ErrorDetails_ERROR_AUTH_TOKEN_EXPIRED))
	}
	return nil
}

func (c *agentCall) checkClient() error {
	header := c.r.Header
	version := cliVersion.FindStringSubmatch(header.Get("X-Cursor-Client-Version"))
	switch {
	case header.Get("X-Cursor-Client-Type") != "cli":
		if c.violate(5, "x-cursor-client-type is %q instead of cli", header.Get("X-Cursor-Client-Type")) {
			return outdatedFailure(c.set.Outdated)
		}
	case version == nil:
		if c.violate(5, "x-cursor-client-version is %q", header.Get("X-Cursor-Client-Version")) {
			return outdatedFailure(c.set.Outdated)
		}
	case version[1] < c.leastBuild():
		return outdatedFailure(c.set.Outdated)
	}
	return nil
}

// leastBuild is the date of the lowest client version that is served; empty for all.
func (c *agentCall) leastBuild() string {
	least := cliVersion.FindStringSubmatch(cmp.Or(c.set.MinVersion, *c.sim.minVersion.Load()))
	if least == nil {
		return ""
	}
	return least[1]
}

func (c *agentCall) checkRequestID() error {
	header := c.r.Header
	id := header.Get("X-Request-Id")
	if header.Get("X-Ghost-Mode") != "true" {
		c.violate(6, "x-ghost-mode is %q instead of true", header.Get("X-Ghost-Mode"))
	}
	if !isUUID(id) || id[14] != '4' {
		c.violate(6, "x-request-id is %q instead of a UUID of version 4", id)
		return nil
	}
	if !c.remembered(&c.book.requests, id) && c.violate(6, "x-request-id was seen before") && c.set.RefuseSeenRequests {
		return failing("already_exists", "Request already exists")
	}
	return nil
}

// remembered adds to what was seen, and tells whether it is new.
func (c *agentCall) remembered(set *seenSet, text string) bool {
	c.book.mu.Lock()
	defer c.book.mu.Unlock()
	return set.add(text)
}

// checkRequest checks what a run_request says by itself.
func (c *agentCall) checkRequest() error {
	for _, check := range []func(*agentv1.AgentRunRequest) error{
		c.checkState, c.checkAction, c.checkOptions, c.checkConversation, c.checkSize, c.checkTools,
	} {
		if err := check(c.request); err != nil {
			return err
		}
	}
	return nil
}

func (c *agentCall) checkState(request *agentv1.AgentRunRequest) error {
	state := request.GetConversationState()
	if state == nil && c.violate(9, "conversation_state is absent") {
		return badArgument("Conversation state is required")
	}
	for _, ids := range [][][]byte{state.GetRootPromptMessagesJson(), state.GetTurns()} {
		for _, id := range ids {
			if len(id) != 32 && c.violate(15, "a root or turn has an id of %d bytes", len(id)) {
				return blobNotFound()
			}
		}
	}
	return nil
}

func (c *agentCall) checkAction(request *agentv1.AgentRunRequest) error {
	action := request.GetAction()
	if action.GetResumeAction() != nil {
		return nil
	}
	user := action.GetUserMessageAction()
	if user == nil {
		c.violate(10, "action has no case that begins a turn")
		return badArgument("Action is required")
	}
	message := user.GetUserMessage()
	if message.GetText() == "" && len(message.GetSelectedContext().GetSelectedImages()) == 0 && c.violate(10, "the user message has neither text nor image") {
		return badArgument("User message is empty")
	}
	if !isUUID(message.GetMessageId()) {
		c.violate(10, "message_id is not a UUID")
	}
	if message.GetMode() != agentv1.AgentMode_AGENT_MODE_AGENT {
		c.planMode = c.violate(10, "the user message's mode is %d instead of 1", message.GetMode())
	}
	for _, image := range message.GetSelectedContext().GetSelectedImages() {
		if image.GetDataOrBlobId() == nil {
			c.violate(10, "an image has no data")
		}
	}
	if hasField(user.ProtoReflect().GetUnknown(), 7) {
		c.violate(34, "conversation_history is set, which nobody reads")
	}
	return nil
}

func (c *agentCall) checkOptions(request *agentv1.AgentRunRequest) error {
	if request.CustomSystemPrompt != nil && c.violate(11, "custom_system_prompt is set") {
		if c.set.EmptyForSystemPrompt {
			return &failure{[]byte(success)}
		}
		return badArgument("unknown option '--system-prompt'")
	}
	if request.GetSystemPromptSpec() != nil && c.violate(11, "system_prompt_spec is set") {
		return badArgument("unknown option '--system-prompt'")
	}
	if request.GetExcludeWorkspaceContext() && c.violate(12, "exclude_workspace_context is true") {
		return badArgument("Workspace context exclusion is not allowed for this user, team, or selected model")
	}
	return nil
}

// exhausted is the bare refusal, which tells nothing.
func exhausted() error { return failing("resource_exhausted", "Error") }

func (c *agentCall) checkConversation(request *agentv1.AgentRunRequest) error {
	id := request.GetConversationId()
	c.book.mu.Lock()
	fresh, poisoned := c.book.conversations.add(id), c.book.poisoned.has[id]
	c.book.mu.Unlock()
	switch {
	case !isUUID(id):
		c.violate(29, "conversation_id is not a UUID")
	case !fresh:
		if c.violate(29, "conversation_id was used before") && poisoned {
			return exhausted()
		}
	}
	return nil
}

func (c *agentCall) checkSize(request *agentv1.AgentRunRequest) error {
	if roots := len(request.GetConversationState().GetRootPromptMessagesJson()); roots > maxRoots && c.violate(19, "there are %d roots", roots) {
		return badArgument("Too many messages")
	}
	if size := len(c.userText()); size > maxUserText && c.violate(19, "the user text has %d bytes", size) {
		return badArgument("User message is too long")
	}
	return nil
}

func (c *agentCall) checkTools(request *agentv1.AgentRunRequest) error {
	if request.GetMcpTools() == nil {
		c.violate(21, "mcp_tools is absent; without tools it is empty")
	}
	for _, tool := range request.GetMcpTools().GetMcpTools() {
		if problem := toolProblem(tool); problem != "" && c.violate(20, "tool %q: %s", tool.GetToolName(), problem) {
			return exhausted()
		}
	}
	return nil
}

func toolProblem(tool *agentv1.McpToolDefinition) string {
	switch {
	case tool.GetToolName() == "" || tool.GetName() == "" || tool.GetProviderIdentifier() == "":
		return "a name is absent"
	case tool.GetInputSchema().GetStructValue() == nil:
		return "input_schema is not an object"
	}
	return combined(tool.GetInputSchema(), 0)
}

// combined finds the keywords that the upstream does not take, in schemas and not in the names
// of properties.
func combined(value *structpb.Value, depth int) string {
	if depth > 64 {
		return "input_schema is too deep"
	}
	for key, inner := range value.GetStructValue().GetFields() {
		switch key {
		case "oneOf", "anyOf", "allOf":
			return "input_schema has " + key
		case "properties", "patternProperties", "$defs", "definitions":
			for _, named := range inner.GetStructValue().GetFields() {
				if problem := combined(named, depth+1); problem != "" {
					return problem
				}
			}
		case "enum", "const", "default", "examples":
		default:
			for _, each := range append(inner.GetListValue().GetValues(), inner) {
				if problem := combined(each, depth+1); problem != "" {
					return problem
				}
			}
		}
	}
	return ""
}

// violate notes that a check was not met, and tells whether it is switched on.
func (c *agentCall) violate(rule int, format string, args ...any) bool {
	if !c.set.on(rule) {
		return false
	}
	problem := fmt.Sprintf("rule %d: ", rule) + fmt.Sprintf(format, args...)
	c.book.change(c.run, func(r *AgentRun) {
		if len(r.Violations) < maxRecordList {
			r.Violations = append(r.Violations, problem)
		}
	})
	c.entry.violate([]string{problem})
	return true
}

// checkUnary checks the head of a unary call; where it is not met, it answers and tells so.
func (s *Simulator) checkUnary(w http.ResponseWriter, r *http.Request) bool {
	token := bearer(r)
	b := s.book.Load()
	a := b.tokens.get(token)
	var p problems
	p.require(r.ProtoMajor >= 2, "rule 1: %s came over %s", r.URL.Path, r.Proto)
	p.require(r.Method == http.MethodPost, "rule 2: %s: the method is %s instead of POST", r.URL.Path, r.Method)
	contentType := r.Header.Get("Content-Type")
	p.require(contentType == "application/proto", "rule 2: %s: content-type is %q instead of application/proto", r.URL.Path, contentType)
	p.require(token != "", "rule 4: %s: authorization has no bearer token", r.URL.Path)
	p = append(p, checkCLI(r)...)
	b.look(r.URL.Path, p, Violation{At: s.options.Now(), API: CursorAgent, Token: a.fingerprint})
	s.watchers.notify()
	switch {
	case r.ProtoMajor < 2:
		wrongHTTP(w)
	case r.Method != http.MethodPost:
		controlAnswer(w, http.StatusNotFound, connectError{Code: "unimplemented", Message: "no such method"})
	case contentType != "application/proto":
		w.Header().Set("Accept-Post", "application/proto, application/json")
		w.WriteHeader(http.StatusUnsupportedMediaType)
	case token == "", a.web, !s.accepts(a):
		controlAnswer(w, http.StatusUnauthorized, connectError{Code: "unauthenticated", Message: "Error"})
	case a.expired(s.options.Now()):
		s.logins.countExpired()
		controlAnswer(w, http.StatusUnauthorized, connectError{Code: "unauthenticated", Message: "Error"})
	case len(p) > 0:
		controlAnswer(w, http.StatusBadRequest, connectError{Code: "invalid_argument", Message: strings.Join(p, "; ")})
	default:
		return true
	}
	return false
}

// wrongHTTP is what the balancer says to HTTP/1.1.
func wrongHTTP(w http.ResponseWriter) {
	w.Header().Set("Server", "awselb/2.0")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(464)
}
