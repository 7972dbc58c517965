package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/gateway/grammar"
)

// Whether an upstream serves Responses is found out, once by each gateway, and no request fails
// while it is not known: one that does gets them as they are, one that does not by Chat.
func TestWhoServesResponsesIsFoundOut(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 3})
	for name, base := range map[string]string{"serves": "", "lacks": "/chat-only", "lacks-page": "/chat-only-page", "lacks-method": "/chat-only-method"} {
		s.PutUpstream(name, map[string]any{"driver": "openai", "base_url": s.SimURL + base + "/v1", "models": []string{"gpt-test"}})
		s.AddTokens(name, name, 2, 0)
	}
	ctx := stack.Allow(t.Context(), "some are the vendor's own", grammar.Options{Native: true})
	asked := func(name string, i int) *responses.Response {
		sdk := s.Gateways[i%3].SDK()
		answer, err := sdk.Responses.New(ctx, question(name+"/gpt-test", "Who are you?", ""))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return answer
	}
	native := func(answer *responses.Response) bool { return strings.HasPrefix(answer.ID, "resp_sim") }
	s.Eventually("the upstream that serves Responses gets them", settleLimit, func() bool {
		return native(asked("serves", 0)) && native(asked("serves", 1)) && native(asked("serves", 2))
	})
	for _, name := range []string{"lacks", "lacks-page", "lacks-method"} {
		for i := range 9 {
			if answer := asked(name, i); native(answer) || answer.OutputText() != "Who are you?" {
				t.Errorf("%s: %s", name, answer.RawJSON())
			}
		}
	}
	for path, times := range s.Sim.Ledger().Lookups {
		if strings.HasSuffix(path, "/v1/responses") && times > int64(len(s.Gateways)) {
			t.Errorf("%s was asked %d times whether it serves Responses", path, times)
		}
	}
}

// What is beside create and retrieve, over an upstream that has Chat alone.
func TestResponsesBesideCreate(t *testing.T) {
	t.Parallel()
	s, _, _ := responsesStack(t)
	first := answerTo(t, s.Gateways[0], question("kept/gpt-test", "My name is Ada.", ""), true)
	sdk := s.Gateways[1].SDK()
	count, err := sdk.Responses.InputTokens.Count(t.Context(), responses.InputTokenCountParams{
		Model: openai.String("kept/gpt-test"), Input: responses.InputTokenCountParamsInputUnion{OfString: openai.String("Who am I?")},
	})
	if err != nil || count.InputTokens == 0 {
		t.Errorf("counted: %v, %+v", err, count)
	}
	if _, err := sdk.Responses.Cancel(t.Context(), first.ID); !strings.HasPrefix(codeOf(err), "400") {
		t.Errorf("cancelled what is not in the background: %v", err)
	}
	short, err := sdk.Responses.Compact(t.Context(), responses.ResponseCompactParams{Model: "kept/gpt-test", PreviousResponseID: openai.String(first.ID)})
	if err != nil || len(short.Output) == 0 || short.Usage.InputTokens == 0 {
		t.Fatalf("compacted: %v, %+v", err, short)
	}
	var input []string
	for _, item := range short.Output {
		input = append(input, item.RawJSON())
	}
	// Another gateway goes on with what it was made to.
	body := `{"model":"kept/gpt-test","input":[` + strings.Join(append(input, `{"role":"user","content":"Go on."}`), ",") + `]}`
	if got := send(t, s.Gateways[2], http.MethodPost, "/v1/responses", stack.AdminToken, body, nil); got.status != http.StatusOK || !strings.Contains(string(got.body), "Go on.") {
		t.Errorf("%d %s", got.status, got.body)
	}
	// A body of Responses at Chat's address is answered as Chat.
	status, _, told := post(t, s.Gateways[0], stack.AdminToken, `{"model":"kept/gpt-test","instructions":"Be brief.","input":[{"role":"user","content":"Hello there."}]}`)
	if status != http.StatusOK || !strings.Contains(told, `"object":"chat.completion"`) || !strings.Contains(told, "Hello there.") {
		t.Errorf("%d %s", status, told)
	}
}
