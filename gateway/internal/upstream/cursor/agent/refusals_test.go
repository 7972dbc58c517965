package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// The numbers of the wire: what is asked, the answer's field, and the field in it.
var refusalNumbers = []struct{ question, answer, form protoreflect.FieldNumber }{
	{2, 2, 4},
	{3, 3, 6},
	{4, 4, 6},
	{5, 5, 2},
	{7, 7, 3},
	{8, 8, 3},
	{9, 9, 3},
	{14, 14, 5},
	{16, 16, 3},
	{17, 17, 1},
	{18, 18, 4},
	{20, 20, 2},
	{21, 21, 4},
	{22, 22, 2},
	{23, 23, 2},
	{27, 27, 1},
	{28, 28, 2},
	{29, 29, 3},
	{30, 30, 1},
	{31, 31, 1},
	{37, 37, 3},
	{38, 38, 2},
	{40, 40, 2},
	{41, 41, 1},
	{43, 43, 1},
	{45, 46, 2},
	{46, 47, 2},
	{47, 48, 2},
	{48, 49, 2},
	{49, 50, 2},
	{50, 51, 2},
	{51, 52, 2},
	{52, 55, 4},
	{53, 53, 2},
	{54, 54, 2},
}

// questionWith asks for a field of the schema, with every text of it set to its own name.
func questionWith(number protoreflect.FieldNumber) *agentv1.ExecServerMessage {
	question := &agentv1.ExecServerMessage{Id: 9, ExecId: "x-9"}
	asked := question.ProtoReflect()
	args := asked.Mutable(asked.Descriptor().Fields().ByNumber(number)).Message()
	fields := args.Descriptor().Fields()
	for i := range fields.Len() {
		if field := fields.Get(i); field.Kind() == protoreflect.StringKind && !field.IsList() {
			args.Set(field, protoreflect.ValueOfString("the "+string(field.Name())))
		}
	}
	return question
}

func TestEachQuestionIsRefusedInItsOwnForm(t *testing.T) {
	t.Parallel()
	if len(refusalNumbers) != len(refusals) {
		t.Errorf("%d rows, %d numbers", len(refusals), len(refusalNumbers))
	}
	for _, row := range refusalNumbers {
		question := questionWith(row.question)
		refusal, known := refusalsByQuestion[questionOf(question)]
		if !known {
			t.Errorf("%d has no row", row.question)
			continue
		}
		answer := refusal.answerTo(question, "not available").ProtoReflect()
		result := answer.Descriptor().Fields().ByNumber(row.answer)
		if result == nil || !answer.Has(result) {
			t.Errorf("%d is not answered in %d: %v", row.question, row.answer, answer)
			continue
		}
		form := answer.Get(result).Message().Descriptor().Fields().ByNumber(row.form)
		switch inner := answer.Get(result).Message(); {
		case form.Kind() == protoreflect.BoolKind:
			if inner.Get(form).Bool() {
				t.Errorf("%d is allowed", row.question)
			}
		case !inner.Has(form):
			t.Errorf("%d is not refused in %d.%d: %v", row.question, row.answer, row.form, answer)
		case form.Kind() == protoreflect.Int32Kind && inner.Get(form).Int() != 2:
			t.Errorf("%d has the status %d", row.question, inner.Get(form).Int())
		}
	}
}

// What a refusal repeats of the question, and where the reason stands.
func TestRefusalsInFull(t *testing.T) {
	t.Parallel()
	for number, want := range map[protoreflect.FieldNumber]*agentv1.ExecClientMessage{
		2: {Message: &agentv1.ExecClientMessage_ShellResult{ShellResult: &agentv1.ShellResult{Result: &agentv1.ShellResult_Rejected{
			Rejected: &agentv1.CommandReason{Command: "the command", WorkingDirectory: "the working_directory", Reason: "no"},
		}}}},
		3: {Message: &agentv1.ExecClientMessage_WriteResult{WriteResult: &agentv1.WriteResult{Result: &agentv1.WriteResult_Rejected{
			Rejected: &agentv1.PathReason{Path: "the path", Reason: "no"},
		}}}},
		18: {Message: &agentv1.ExecClientMessage_ReadMcpResourceExecResult{ReadMcpResourceExecResult: &agentv1.ReadMcpResourceExecResult{
			Result: &agentv1.ReadMcpResourceExecResult_NotFound{NotFound: &agentv1.UriOnly{Uri: "the uri"}},
		}}},
		20: {Message: &agentv1.ExecClientMessage_FetchResult{FetchResult: &agentv1.FetchResult{Result: &agentv1.FetchResult_Error{
			Error: &agentv1.UrlError{Url: "the url", Error: "no"},
		}}}},
		27: {Message: &agentv1.ExecClientMessage_ExecuteHookResult{ExecuteHookResult: &agentv1.ExecuteHookResult{Response: &agentv1.EmptyArgs{}}}},
		37: {Message: &agentv1.ExecClientMessage_SubagentAwaitResult{SubagentAwaitResult: &agentv1.SubagentAwaitResult{
			Result: &agentv1.SubagentAwaitResult_NotFound{NotFound: &agentv1.AgentIdOnly{AgentId: "the agent_id"}},
		}}},
		40: {Message: &agentv1.ExecClientMessage_CanvasDiagnosticsResult{CanvasDiagnosticsResult: &agentv1.PathErrorAtTwoResult{
			Result: &agentv1.PathErrorAtTwoResult_Error{Error: &agentv1.PathError{Path: "the path", Error: "no"}},
		}}},
		45: {Message: &agentv1.ExecClientMessage_PiReadResult{PiReadResult: &agentv1.ErrorAtTwoResult{
			Result: &agentv1.ErrorAtTwoResult_Error{Error: &agentv1.ErrorText{Error: "no"}},
		}}},
	} {
		question := questionWith(number)
		got := refusalsByQuestion[questionOf(question)].answerTo(question, "no")
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%d: %s", number, diff)
		}
	}
}

func TestRefusalVectors(t *testing.T) {
	t.Parallel()
	for question, answer := range map[string]string{
		"read-question": "read-rejected", "shell-question": "shell-rejected", "grep-question": "grep-error",
	} {
		asked := fromServer(t, question).GetExecServerMessage()
		got := refusalsByQuestion[questionOf(asked)].answerTo(asked, "not available")
		got.Id, got.ExecId = asked.GetId(), asked.GetExecId()
		if diff := cmp.Diff(fromClient(t, answer).GetExecClientMessage(), got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", question, diff)
		}
	}
}

func TestQueriesAreRefused(t *testing.T) {
	t.Parallel()
	got := &agentv1.AgentClientMessage{Message: &agentv1.AgentClientMessage_InteractionResponse{
		InteractionResponse: query(fromServer(t, "web-search-query").GetInteractionQuery(), "not available"),
	}}
	if diff := cmp.Diff(fromClient(t, "web-search-rejected"), got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	// Each that can be refused is, under its own number; the others get an answer that says nothing.
	refusable := map[protoreflect.FieldNumber]bool{2: true, 3: true, 4: true, 7: true, 9: true, 11: true}
	fields := (&agentv1.InteractionQuery{}).ProtoReflect().Descriptor().Oneofs().ByName("query").Fields()
	for i := range fields.Len() {
		asked := &agentv1.InteractionQuery{Id: 2}
		asked.ProtoReflect().Mutable(fields.Get(i))
		response := query(asked, "no").ProtoReflect()
		answer := response.WhichOneof(response.Descriptor().Oneofs().ByName("result"))
		number := fields.Get(i).Number()
		switch {
		case refusable[number] && (answer == nil || answer.Number() != number || proto.Size(response.Get(answer).Message().Interface()) == 0):
			t.Errorf("%d is answered with %v", number, response)
		case !refusable[number] && answer != nil:
			t.Errorf("%d is answered with %v", number, response)
		}
	}
	unknown := query(&agentv1.InteractionQuery{Id: 2}, "no")
	if diff := cmp.Diff(fromClient(t, "query-answered-without-result").GetInteractionResponse(), unknown, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}
