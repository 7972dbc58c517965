package prompt

import (
	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// What the upstream's agent is told of where it works: nowhere in particular.
const (
	osVersion = "linux 6.8.0"
	shell     = "bash"
	folder    = "/workspace"
	timeZone  = "UTC"
	rulePath  = "/carousel/system.mdc"
	// ofUser is the source of a rule that the user has made.
	ofUser = 2
)

// context is what the upstream asks for before it begins: the instructions as a rule that
// always applies, and the tools once more, in the same order.
func (b *builder) context() *agentv1.RequestContext {
	context := &agentv1.RequestContext{
		Env: &agentv1.RequestContextEnv{
			OsVersion: osVersion, WorkspacePaths: []string{folder}, Shell: shell, TimeZone: timeZone, ProjectFolder: folder,
		},
		Tools:               b.tools.declared,
		WebSearchEnabled:    proto.Bool(false),
		GitRepoInfoComplete: proto.Bool(true),
	}
	if b.instructions != "" {
		context.Rules = []*agentv1.CursorRule{{
			FullPath: rulePath, Content: b.instructions, Source: ofUser,
			Type: &agentv1.CursorRuleType{Type: &agentv1.CursorRuleType_Global{Global: &agentv1.EmptyArgs{}}},
		}}
	}
	return context
}

// attach gives the action the context too, where it says something: the upstream does not ask
// for it in every run.
func (b *builder) attach(action *agentv1.ConversationAction, context *agentv1.RequestContext) {
	if len(context.GetRules()) == 0 && len(context.GetTools()) == 0 {
		return
	}
	switch action := action.GetAction().(type) {
	case *agentv1.ConversationAction_UserMessageAction:
		action.UserMessageAction.RequestContext = context
	case *agentv1.ConversationAction_ResumeAction:
		action.ResumeAction.RequestContext = context
	}
}
