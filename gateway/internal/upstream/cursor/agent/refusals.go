package agent

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// refusal is how a request for a tool of the upstream's own is turned down: a question, the
// answer that belongs to it, and what of the answer is set. Each has a form of its own, and
// an answer in another form is none.
type refusal struct{ question, answer, form protoreflect.Name }

// refusals has a row for each question that a gateway can't do anything about, by the names of
// the schema.
var refusals = []refusal{
	{"shell_args", "shell_result", "rejected"},
	{"write_args", "write_result", "rejected"},
	{"delete_args", "delete_result", "rejected"},
	{"grep_args", "grep_result", "error"},
	{"read_args", "read_result", "rejected"},
	{"redacted_read_args", "redacted_read_result", "rejected"},
	{"ls_args", "ls_result", "rejected"},
	{"diagnostics_args", "diagnostics_result", "rejected"},
	{"shell_stream_args", "shell_stream", "rejected"},
	{"background_shell_spawn_args", "background_shell_spawn_result", "rejected"},
	{"list_mcp_resources_exec_args", "list_mcp_resources_exec_result", "success"}, // there are none
	{"read_mcp_resource_exec_args", "read_mcp_resource_exec_result", "not_found"},
	{"fetch_args", "fetch_result", "error"},
	{"record_screen_args", "record_screen_result", "failure"},
	{"computer_use_args", "computer_use_result", "error"},
	{"write_shell_stdin_args", "write_shell_stdin_result", "error"},
	{"execute_hook_args", "execute_hook_result", "response"}, // empty: carry on
	{"subagent_args", "subagent_result", "error"},
	{"force_background_shell_args", "force_background_shell_result", "status"},
	{"force_background_subagent_args", "force_background_subagent_result", "status"},
	{"subagent_await_args", "subagent_await_result", "not_found"},
	{"smart_mode_classifier_args", "smart_mode_classifier_result", "error"},
	{"canvas_diagnostics_args", "canvas_diagnostics_result", "error"},
	{"shell_allowlist_precheck_args", "shell_allowlist_precheck_result", "allowlisted"},
	{"web_fetch_allowlist_precheck_args", "web_fetch_allowlist_precheck_result", "allowlisted"},
	{"pi_read_args", "pi_read_result", "error"},
	{"pi_bash_args", "pi_bash_result", "error"},
	{"pi_edit_args", "pi_edit_result", "error"},
	{"pi_write_args", "pi_write_result", "error"},
	{"pi_grep_args", "pi_grep_result", "error"},
	{"pi_find_args", "pi_find_result", "error"},
	{"pi_ls_args", "pi_ls_result", "error"},
	{"mini_swe_agent_bash_args", "mini_swe_agent_bash_result", "rejected"},
	{"conversation_search_args", "conversation_search_result", "error"},
	{"agent_store_conflict_args", "agent_store_conflict_result", "error"},
}

// statusNotFound is the status of a shell or an agent that does not exist.
const statusNotFound = 2

var (
	questions = (*agentv1.ExecServerMessage)(nil).ProtoReflect().Descriptor().Oneofs().ByName("message")
	answers   = (*agentv1.ExecClientMessage)(nil).ProtoReflect().Descriptor().Fields()
)

// refusalsByQuestion finds the row of a question.
var refusalsByQuestion = func() map[protoreflect.Name]refusal {
	rows := make(map[protoreflect.Name]refusal, len(refusals))
	for _, row := range refusals {
		rows[row.question] = row
	}
	return rows
}()

// answerTo makes the answer to a question of the row, with what it repeats of the question.
func (r refusal) answerTo(question *agentv1.ExecServerMessage, reason string) *agentv1.ExecClientMessage {
	asked := question.ProtoReflect()
	args := asked.Get(asked.WhichOneof(questions)).Message()
	answer := &agentv1.ExecClientMessage{}
	result := answer.ProtoReflect().Mutable(answers.ByName(r.answer)).Message()
	form := result.Descriptor().Fields().ByName(r.form)
	switch form.Kind() {
	case protoreflect.MessageKind:
		fill(result.Mutable(form).Message(), args, reason)
	case protoreflect.Int32Kind:
		result.Set(form, protoreflect.ValueOfInt32(statusNotFound))
	default: // a truth, which is false
	}
	return answer
}

// fill writes a refusal: the reason, and what the question has under the same name.
func fill(refusal, args protoreflect.Message, reason string) {
	fields := refusal.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Kind() != protoreflect.StringKind {
			continue
		}
		switch asked := args.Descriptor().Fields().ByName(field.Name()); {
		case field.Name() == "reason" || field.Name() == "error":
			refusal.Set(field, protoreflect.ValueOfString(reason))
		case asked != nil && asked.Kind() == protoreflect.StringKind && args.Has(asked):
			refusal.Set(field, args.Get(asked))
		}
	}
}

// questionOf is the name of what is asked; empty where nobody knows it.
func questionOf(question *agentv1.ExecServerMessage) protoreflect.Name {
	asked := question.ProtoReflect().WhichOneof(questions)
	if asked == nil {
		return ""
	}
	return asked.Name()
}
