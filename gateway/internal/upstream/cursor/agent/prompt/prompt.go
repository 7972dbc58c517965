package prompt

import (
	"fmt"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/agent/models"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// Form is how a run is told of the history.
type Form uint8

// The forms.
const (
	// Structured has messages, calls and results as what they are.
	Structured Form = iota
	// TextTools has messages as such, and calls and results in words: for models whose
	// makers refuse calls that they have not made.
	TextTools
	// Flat has all of it in one text of the user, which every model takes.
	Flat
)

// IDs are the run's own UUIDs. A conversation's is never used again, also for the next turn
// of the same one: an abandoned call stays with it.
type IDs struct{ Run, Conversation, Message string }

// Options are how to write a conversation.
type Options struct {
	Form Form
	// SystemInText puts the instructions in front of the user's text too, for models that
	// follow them nowhere else. The form Flat always has them there.
	SystemInText bool
	// Instructions are those of a request that has none.
	Instructions string
	Choice       models.Choice
	IDs          IDs
	// NewID makes the UUIDs of messages and images in the history; nil: they are made of what
	// they name, so that the same history is the same blobs.
	NewID func() string
}

// Prompt is a conversation as a run is given it.
type Prompt struct {
	// Run is the first message. It shares Context and the tools' definitions with the rest,
	// so nobody changes any of it.
	Run *agentv1.AgentRunRequest
	// Blobs are what Run refers to, by the SHA-256 of each.
	Blobs map[[32]byte][]byte
	// Context is the answer to the upstream's question for it.
	Context *agentv1.RequestContext
	Tools   Tools
}

// Bounds of a run, from what the upstream has been seen to refuse.
const (
	maxRoots = 192
	// maxRootBytes is of the texts in all roots together; images are not counted.
	maxRootBytes = 512 << 10
	// maxText is of one text, in bytes.
	maxText = 850_000
)

// builder writes one conversation.
type builder struct {
	request *chat.Request
	options Options
	tools   Tools
	names   *upstream.ToolNames
	// instructions are all of the system's texts, and what stands for a wish that the
	// upstream has no field for.
	instructions string
	entries      []entry
	results      map[string][]*found // by their calls' ids, in the request's order
	callIDs      map[string]int      // how often each was wanted
	ids          int                 // UUIDs made so far
	blobs        map[[32]byte][]byte
}

// Build writes a conversation whose images are there. Errors are *chat.Error.
func Build(request *chat.Request, options Options) (*Prompt, error) {
	b := &builder{request: request, options: options, names: upstream.NewToolNames(request, maxToolName)}
	b.tools = declare(request, b.names)
	if err := b.read(); err != nil {
		return nil, err
	}
	context := b.context()
	run, err := b.run(context)
	if err != nil {
		return nil, err
	}
	return &Prompt{Run: run, Blobs: b.blobs, Context: context, Tools: b.tools}, nil
}

// run writes the first message.
func (b *builder) run(context *agentv1.RequestContext) (*agentv1.AgentRunRequest, *chat.Error) {
	state, action, err := b.inForm(b.options.Form)
	if err != nil {
		return nil, err
	}
	b.attach(action, context)
	run := &agentv1.AgentRunRequest{
		ConversationState: state,
		Action:            action,
		McpTools:          &agentv1.McpTools{McpTools: b.tools.declared},
		RequestedModel:    b.options.Choice.Requested,
		ModelDetails:      b.options.Choice.Details,
		ConversationId:    optional(b.options.IDs.Conversation),
	}
	run.ConversationGroupId = run.ConversationId
	run.RunId = optional(b.options.IDs.Run)
	return run, nil
}

// inForm writes the history and what to do. What is too large for blobs goes as one text, which
// may be larger.
func (b *builder) inForm(form Form) (*agentv1.ConversationStateStructure, *agentv1.ConversationAction, *chat.Error) {
	b.blobs = map[[32]byte][]byte{}
	if form != Flat {
		if state, action, fits := b.replayed(form); fits {
			return state, action, checkText(action)
		}
		b.blobs = map[[32]byte][]byte{}
	}
	state, action := b.flattened()
	return state, action, checkText(action)
}

// checkText refuses a text that is larger than the upstream takes.
func checkText(action *agentv1.ConversationAction) *chat.Error {
	size := len(action.GetUserMessageAction().GetUserMessage().GetText())
	if size <= maxText {
		return nil
	}
	return tooLong("the conversation", size)
}

func tooLong(what string, size int) *chat.Error {
	return &chat.Error{
		Kind: chat.ContextTooLong, Param: "messages",
		Message: fmt.Sprintf("%s is %d bytes of text, and the upstream takes %d in one; send less of it", what, size, maxText),
	}
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
