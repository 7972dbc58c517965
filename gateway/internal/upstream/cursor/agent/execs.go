package agent

import (
	"net/http"
	"slices"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/agent/prompt"
	"carousel.internal/gateway/internal/upstream/wire"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

const (
	// maxRefusals is how often a model may ask in a turn for what is not here. It does so at
	// first, whatever it is told.
	maxRefusals = 12
	// maxExecs bounds the questions of a run.
	maxExecs = 512

	unsupported = "unsupported request"
	connected   = "connected"
)

// execs are the questions of a run, each with its answer, which is the same however often it
// is asked.
type execs struct {
	answers map[execKey]*execAnswer
	refused int
}

// execKey tells a question from the others.
type execKey struct {
	kind   protoreflect.Name
	id     uint32
	execID string
}

// execAnswer is an answer, or why there is none; both nil: the client has it.
type execAnswer struct {
	message *agentv1.ExecClientMessage
	thrown  *agentv1.ExecClientThrow
}

// exec takes a question.
func (r *reactor) exec(question *agentv1.ExecServerMessage, now time.Duration) {
	key := execKey{questionOf(question), question.GetId(), question.GetExecId()}
	answer, known := r.execs.answers[key]
	if !known {
		if len(r.execs.answers) >= maxExecs {
			r.fail(wire.Signed(failures, upstream.SignGarbled, http.StatusOK, "the upstream asks without end", nil))
			return
		}
		answer = r.find(question, now)
		if r.execs.answers == nil {
			r.execs.answers = map[execKey]*execAnswer{}
		}
		r.execs.answers[key] = answer
	}
	r.reply(key, answer)
	if r.execs.refused >= maxRefusals && !r.over {
		r.fail(wire.Signed(failures, signNativeTools, http.StatusOK,
			"the upstream's model insists on tools that are not here", nil))
	}
}

// reply sends an answer, and that there is no more of it.
func (r *reactor) reply(asked execKey, answer *execAnswer) {
	switch {
	case answer.message != nil:
		answer.message.Id, answer.message.ExecId = asked.id, asked.execID
		r.send(&agentv1.AgentClientMessage{Message: &agentv1.AgentClientMessage_ExecClientMessage{ExecClientMessage: answer.message}})
	case answer.thrown != nil:
		r.control(&agentv1.ExecClientControlMessage{Message: &agentv1.ExecClientControlMessage_Throw{Throw: answer.thrown}})
	default:
		return
	}
	r.control(&agentv1.ExecClientControlMessage{
		Message: &agentv1.ExecClientControlMessage_StreamClose{StreamClose: &agentv1.ExecStreamId{Id: asked.id}},
	})
}

func (r *reactor) control(message *agentv1.ExecClientControlMessage) {
	r.send(&agentv1.AgentClientMessage{
		Message: &agentv1.AgentClientMessage_ExecClientControlMessage{ExecClientControlMessage: message},
	})
}

// find finds the answer to a question that is new.
func (r *reactor) find(question *agentv1.ExecServerMessage, now time.Duration) *execAnswer {
	switch asked := question.GetMessage().(type) {
	case *agentv1.ExecServerMessage_RequestContextArgs:
		return &execAnswer{message: contextAnswer(r.prompt.Context)}
	case *agentv1.ExecServerMessage_McpStateExecArgs:
		return &execAnswer{message: stateAnswer(asked.McpStateExecArgs, r.prompt.Tools)}
	case *agentv1.ExecServerMessage_McpAllowlistPrecheckArgs:
		return &execAnswer{message: &agentv1.ExecClientMessage{Message: &agentv1.ExecClientMessage_McpAllowlistPrecheckResult{
			McpAllowlistPrecheckResult: &agentv1.AllowlistResult{Allowlisted: r.isOurs(asked.McpAllowlistPrecheckArgs)},
		}}}
	case *agentv1.ExecServerMessage_McpArgs:
		return r.mcp(question, asked.McpArgs, now)
	}
	r.execs.refused++
	if row, known := refusalsByQuestion[questionOf(question)]; known {
		return &execAnswer{message: row.answerTo(question, reason(r.prompt.Tools))}
	}
	return &execAnswer{thrown: &agentv1.ExecClientThrow{Id: question.GetId(), Error: unsupported}}
}

// isOurs tells whether a call that is asked about would be one of the client's.
func (r *reactor) isOurs(asked *agentv1.McpAllowlistPrecheckArgs) bool {
	_, _, known := r.prompt.Tools.Find(&agentv1.McpArgs{ProviderIdentifier: asked.GetProviderIdentifier(), ToolName: asked.GetToolName()})
	return known
}

// mcp takes a call. One of the client's tools is the client's to answer; any other is refused,
// so that the model can correct itself.
func (r *reactor) mcp(question *agentv1.ExecServerMessage, args *agentv1.McpArgs, now time.Duration) *execAnswer {
	if args.GetSmartModeApprovalOnly() {
		return mcpAnswer(&agentv1.McpResult{Result: &agentv1.McpResult_Approved{Approved: &agentv1.McpApproved{}}})
	}
	announced := r.batch.arrive(now, args.GetToolCallId())
	if provider := args.GetProviderIdentifier(); provider != "" && provider != prompt.Provider {
		r.execs.refused++
		return mcpAnswer(&agentv1.McpResult{Result: &agentv1.McpResult_ServerNotFound{
			ServerNotFound: &agentv1.McpServerNotFound{Name: provider, AvailableServers: []string{prompt.Provider}},
		}})
	}
	name, custom, known := r.prompt.Tools.Find(args)
	if !known {
		r.execs.refused++
		return mcpAnswer(&agentv1.McpResult{Result: &agentv1.McpResult_ToolNotFound{
			ToolNotFound: &agentv1.McpToolNotFound{Name: toolOf(args), AvailableTools: namesOf(r.prompt.Tools)},
		}})
	}
	if r.waiting { // the client has its calls, and can't be told of another one
		r.astray = true
		return &execAnswer{}
	}
	if len(r.batch.calls) >= maxCalls {
		r.fail(wire.Signed(failures, upstream.SignGarbled, http.StatusOK, "the upstream's answer has too many calls", nil))
		return &execAnswer{}
	}
	r.batch.calls = append(r.batch.calls, call{
		asked: execKey{questionOf(question), question.GetId(), question.GetExecId()}, name: name, custom: custom, args: args, announced: announced,
	})
	if r.oneCall {
		r.call()
	}
	return &execAnswer{}
}

func mcpAnswer(result *agentv1.McpResult) *execAnswer {
	return &execAnswer{message: &agentv1.ExecClientMessage{Message: &agentv1.ExecClientMessage_McpResult{McpResult: result}}}
}

func contextAnswer(context *agentv1.RequestContext) *agentv1.ExecClientMessage {
	return &agentv1.ExecClientMessage{Message: &agentv1.ExecClientMessage_RequestContextResult{
		RequestContextResult: &agentv1.RequestContextResult{Result: &agentv1.RequestContextResult_Success{
			Success: &agentv1.RequestContextSuccess{RequestContext: context},
		}},
	}}
}

// stateAnswer tells of the one provider that there is, if it is among those that are asked for.
func stateAnswer(asked *agentv1.McpStateExecArgs, tools prompt.Tools) *agentv1.ExecClientMessage {
	state := &agentv1.McpStateSuccess{}
	if wanted := asked.GetServerIdentifiers(); len(wanted) == 0 || slices.Contains(wanted, prompt.Provider) {
		status := connected
		state.Servers = []*agentv1.McpStateServer{{
			ServerName: prompt.Provider, ServerIdentifier: prompt.Provider, Tools: tools.Declared(), Status: &status,
		}}
	}
	return &agentv1.ExecClientMessage{Message: &agentv1.ExecClientMessage_McpStateExecResult{
		McpStateExecResult: &agentv1.McpStateExecResult{Result: &agentv1.McpStateExecResult_Success{Success: state}},
	}}
}

// toolOf is what a call calls its tool.
func toolOf(args *agentv1.McpArgs) string {
	if name := args.GetToolName(); name != "" {
		return name
	}
	return args.GetName()
}

func namesOf(tools prompt.Tools) []string {
	var names []string
	for _, each := range tools.Declared() {
		names = append(names, each.GetToolName())
	}
	return names
}

// reason is what a model is told that asks for what is not here.
func reason(tools prompt.Tools) string {
	if len(tools.Declared()) == 0 {
		return "Workspace tools are not available here, and no others are. Answer in words."
	}
	return `Workspace tools are not available here. Use only the tools of the provider "` + prompt.Provider + `", or answer in words.`
}
