package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/gateway/grammar"
)

// responsesStack has three gateways and two upstreams with five tokens each: `kept`, which does
// not serve Responses, so that answers are kept here, and `vendor`, which does and keeps its own.
func responsesStack(t *testing.T) (s *stack.Stack, kept, vendor []stack.Token) {
	t.Helper()
	s = stack.Start(t, stack.Options{Gateways: 3})
	for name, serves := range map[string]string{"kept": "off", "vendor": "on"} {
		s.PutUpstream(name, map[string]any{
			"driver": "openai", "base_url": s.SimURL + "/v1", "models": []string{"gpt-test"}, "settings": map[string]string{"responses": serves},
		})
	}
	return s, s.AddTokens("kept", "k", 5, 0), s.AddTokens("vendor", "v", 5, 0)
}

// question is a request that is stored, as is usual.
func question(model, text, previous string) responses.ResponseNewParams {
	params := responses.ResponseNewParams{Model: model, Instructions: openai.String("Be brief."), Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(text)}}
	if previous != "" {
		params.PreviousResponseID = openai.String(previous)
	}
	return params
}

// answerTo asks a gateway, streamed or not.
func answerTo(t *testing.T, gateway *stack.Gateway, params responses.ResponseNewParams, stream bool) *responses.Response {
	t.Helper()
	ctx := stack.Allow(t.Context(), "some are the vendor's own", grammar.Options{Native: strings.HasPrefix(params.Model, "vendor/")})
	sdk := gateway.SDK()
	if !stream {
		response, err := sdk.Responses.New(ctx, params)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	events := sdk.Responses.NewStreaming(ctx, params)
	defer func() { _ = events.Close() }()
	var last *responses.Response
	for events.Next() {
		if event := events.Current(); event.Type == "response.completed" {
			last = &event.Response
		}
	}
	if events.Err() != nil || last == nil {
		t.Fatalf("%v, no end: %t", events.Err(), last == nil)
	}
	return last
}

// The official client, unchanged: a chain of answers through three gateways, each read back,
// listed and deleted through another one than has made it, kept here or by the vendor.
func TestResponsesSDK(t *testing.T) {
	t.Parallel()
	s, _, _ := responsesStack(t)
	for _, upstream := range []string{"kept", "vendor"} {
		t.Run(upstream, func(t *testing.T) {
			var ids []string
			previous := ""
			for turn := range 6 {
				text := fmt.Sprintf("Question %d: Grüße, 世界! 👩‍👩‍👧", turn)
				answer := answerTo(t, s.Gateways[turn%3], question(upstream+"/gpt-test", text, previous), turn%2 == 0)
				if answer.OutputText() != text || answer.Status != "completed" || answer.Model != upstream+"/gpt-test" || answer.PreviousResponseID != previous || answer.Usage.InputTokens == 0 {
					t.Fatalf("turn %d: %s", turn, answer.RawJSON())
				}
				previous = answer.ID
				ids = append(ids, answer.ID)
			}
			ctx := stack.Allow(t.Context(), "some are the vendor's own", grammar.Options{Native: upstream == "vendor"})
			for turn, id := range ids {
				sdk := s.Gateways[(turn+1)%3].SDK()
				read, err := sdk.Responses.Get(ctx, id, responses.ResponseGetParams{})
				if err != nil || read.ID != id || !strings.Contains(read.OutputText(), fmt.Sprintf("Question %d:", turn)) {
					t.Errorf("turn %d, read back: %v, %+v", turn, err, read)
				}
				if upstream == "vendor" {
					continue // it tells of the request's own input
				}
				var questions int
				pages := sdk.Responses.InputItems.ListAutoPaging(ctx, id, responses.InputItemListParams{Limit: openai.Int(2), Order: responses.InputItemListParamsOrderAsc})
				for pages.Next() {
					if strings.Contains(pages.Current().RawJSON(), "Question ") {
						questions++
					}
				}
				if want := 2*turn + 1; pages.Err() != nil || questions != want { // and the answers, which repeat them
					t.Errorf("turn %d: %d items of input, want %d (%v)", turn, questions, want, pages.Err())
				}
			}
			sdk := s.Gateways[0].SDK()
			if err := sdk.Responses.Delete(ctx, ids[1]); err != nil {
				t.Error(err)
			}
			sdk = s.Gateways[1].SDK()
			if _, err := sdk.Responses.Get(ctx, ids[1], responses.ResponseGetParams{}); !strings.HasPrefix(codeOf(err), "404") {
				t.Errorf("read after its deletion: %v", err)
			}
			if _, err := sdk.Responses.New(ctx, question(upstream+"/gpt-test", "Go on.", ids[1])); codeOf(err) != "400 previous_response_not_found" {
				t.Errorf("gone on with after its deletion: %v", err)
			}
		})
	}
}

// What the model is told of a chain is all of it, in order: the upstream repeats what it gets.
func TestTrap57AChainIsTold(t *testing.T) {
	t.Parallel()
	s, _, _ := responsesStack(t)
	first := answerTo(t, s.Gateways[0], question("kept/gpt-test", "My name is Ada.", ""), true)
	second := answerTo(t, s.Gateways[1], question("kept/gpt-test", "Who am I?", first.ID), false)
	params := question("kept/sim-echo-request", "Say it again.", second.ID)
	params.Instructions = openai.String("Shout.")
	told := answerTo(t, s.Gateways[2], params, true).OutputText()
	at := -1
	for _, part := range []string{"Shout.", "My name is Ada.", `"assistant"`, "My name is Ada.", "Who am I?", "Say it again."} {
		next := strings.Index(told[at+1:], part)
		if next < 0 {
			t.Fatalf("no %q behind byte %d of %s", part, at, told)
		}
		at += 1 + next
	}
	if strings.Contains(told, "Be brief.") {
		t.Errorf("the instructions of earlier answers are told: %s", told)
	}
}

// A chain that is kept here moves to the vendor, which looks at the ids of what it is told: with
// what was called and came back, and without what another upstream thought.
func TestAKeptChainMovesToTheVendor(t *testing.T) {
	t.Parallel()
	s, _, _ := responsesStack(t)
	tools := []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{
		Name: "look", Parameters: map[string]any{"type": "object", "properties": map[string]any{"at": map[string]any{"type": "string"}}},
	}}}
	params := question("kept/sim-reasoning-call", "Look around.", "")
	params.Tools = tools
	first := answerTo(t, s.Gateways[0], params, true)
	var items []responses.ResponseInputItemUnionParam
	for _, item := range first.Output {
		if item.Type == "function_call" {
			output := responses.ResponseInputItemParamOfFunctionCallOutput("A wall.")
			output.OfFunctionCallOutput.CallID = openai.String(item.CallID)
			items = append(items, output)
		}
	}
	if len(items) == 0 || first.Output[0].Type != "reasoning" {
		t.Fatalf("got %s", first.RawJSON())
	}
	params = question("kept/gpt-test", "", first.ID)
	params.Input, params.Tools = responses.ResponseNewParamsInputUnion{OfInputItemList: items}, tools
	second := answerTo(t, s.Gateways[1], params, false)
	told := answerTo(t, s.Gateways[2], question("vendor/sim-echo-request", "Where are you?", second.ID), true).OutputText()
	for _, part := range []string{"Look around.", `"function_call"`, "A wall.", "Where are you?"} {
		if !strings.Contains(told, part) {
			t.Errorf("no %q in %s", part, told)
		}
	}
	if strings.Contains(told, `"reasoning","`) || strings.Contains(told, "encrypted_content") {
		t.Errorf("another upstream's thoughts are told: %s", told)
	}
}

// Nobody reads or goes on with what another key has made, and nobody is told that it is there.
func TestResponsesBelongToTheirKey(t *testing.T) {
	t.Parallel()
	s, _, _ := responsesStack(t)
	own := upstreamsim.DemoTokens().Cursor[0]
	sum := strings.Repeat("0a", 32)
	other := option.WithAPIKey(own + ",paaotc3J" + sum + "/" + sum)
	set(t, s, map[string]any{"enable_own_tokens": true}, func(gateway *stack.Gateway) bool {
		sdk := gateway.SDK(other)
		_, err := sdk.Chat.Completions.New(t.Context(), ask("claude-3.5-sonnet", "Hi"))
		return err == nil
	})
	for _, upstream := range []string{"kept", "vendor"} {
		mine := answerTo(t, s.Gateways[0], question(upstream+"/gpt-test", "A secret.", ""), false)
		ctx := stack.Allow(t.Context(), "some are the vendor's own", grammar.Options{Native: upstream == "vendor"})
		for who, c := range map[string]struct {
			key           option.RequestOption
			read, chained string
		}{
			"a caller with an own token": {other, "404", "400 previous_response_not_found"},
			"a wrong key":                {option.WithAPIKey("sk-wrong"), "401", "401"},
		} {
			sdk := s.Gateways[1].SDK(c.key)
			if _, err := sdk.Responses.Get(ctx, mine.ID, responses.ResponseGetParams{}); !strings.HasPrefix(codeOf(err), c.read) {
				t.Errorf("%s, %s reads: %v", upstream, who, err)
			}
			if err := sdk.Responses.Delete(ctx, mine.ID); !strings.HasPrefix(codeOf(err), c.read) {
				t.Errorf("%s, %s deletes: %v", upstream, who, err)
			}
			if _, err := sdk.Responses.New(ctx, question("cursor/claude-3.5-sonnet", "Tell me.", mine.ID)); !strings.HasPrefix(codeOf(err), c.chained) {
				t.Errorf("%s, %s goes on: %v", upstream, who, err)
			}
		}
		sdk := s.Gateways[2].SDK(option.WithHeader("Authorization", ""), option.WithHeader("api-key", stack.AdminToken))
		if _, err := sdk.Responses.Get(ctx, mine.ID, responses.ResponseGetParams{}); err != nil {
			t.Errorf("%s: the same key in another header reads: %v", upstream, err)
		}
	}
	entries, err := os.ReadDir(s.Folder + "/redis/appendonlydir")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if stored, err := os.ReadFile(s.Folder + "/redis/appendonlydir/" + entry.Name()); err != nil || strings.Contains(string(stored), "A secret.") {
			t.Errorf("%v; %s has the text in the clear", err, entry.Name())
		}
	}
}

// What was acknowledged as kept is there after everything is killed and started again.
func TestResponsesOutliveARestart(t *testing.T) {
	t.Parallel()
	s, _, _ := responsesStack(t)
	ids := map[string]string{}
	for _, upstream := range []string{"kept", "vendor"} {
		ids[upstream] = answerTo(t, s.Gateways[0], question(upstream+"/gpt-test", "My name is Ada.", ""), true).ID
	}
	for _, gateway := range s.Gateways {
		gateway.Kill()
	}
	s.Tokenstore.Kill()
	s.Redis.Kill()
	s.Redis.Start()
	s.WaitRedis()
	s.Tokenstore.Start()
	s.Eventually("the tokenstore is ready again", 30*time.Second, s.TokenstoreReady)
	for _, gateway := range s.Gateways {
		gateway.Start()
	}
	for _, gateway := range s.Gateways {
		s.WaitReady(gateway.Ops)
	}
	for upstream, id := range ids {
		ctx := stack.Allow(t.Context(), "some are the vendor's own", grammar.Options{Native: upstream == "vendor"})
		sdk := s.Gateways[1].SDK()
		if read, err := sdk.Responses.Get(ctx, id, responses.ResponseGetParams{}); err != nil || read.OutputText() != "My name is Ada." {
			t.Errorf("%s: %v, %+v", upstream, err, read)
		}
		if got := answerTo(t, s.Gateways[2], question(upstream+"/gpt-test", "And?", id), true); got.PreviousResponseID != id {
			t.Errorf("%s: %s", upstream, got.RawJSON())
		}
	}
}

// What a vendor keeps is known to one of its accounts alone: a chain stays with the token that
// has begun it, whichever gateway is asked, while other requests go round.
func TestAVendorsChainKeepsItsToken(t *testing.T) {
	t.Parallel()
	s, _, tokens := responsesStack(t)
	used := map[int]bool{}
	for chain := range 3 {
		previous, mine := "", -1
		for turn := range 6 {
			before := served(s, tokens)
			answer := answerTo(t, s.Gateways[(chain+turn)%3], question("vendor/gpt-test", fmt.Sprintf("Turn %d of %d.", turn, chain), previous), turn%2 == 0)
			by := last(before, served(s, tokens))
			if mine < 0 {
				mine = by
			}
			if by != mine {
				t.Errorf("chain %d, turn %d: token %d, it was token %d", chain, turn, by, mine)
			}
			previous = answer.ID
			for i := range 2 {
				other := question("vendor/gpt-test", fmt.Sprintf("Another one: %d %d %d", chain, turn, i), "")
				other.Store = openai.Bool(false)
				before := served(s, tokens)
				answerTo(t, s.Gateways[i], other, false)
				used[last(before, served(s, tokens))] = true
			}
		}
	}
	if len(used) != len(tokens) {
		t.Errorf("other requests went to tokens %v", used)
	}
}

// A pinned token that is gone can't be replaced: the client is told to begin anew.
func TestAVendorsChainEndsWithItsToken(t *testing.T) {
	t.Parallel()
	s, _, tokens := responsesStack(t)
	before := served(s, tokens)
	first := answerTo(t, s.Gateways[0], question("vendor/gpt-test", "Hi.", ""), false)
	mine := tokens[last(before, served(s, tokens))]
	s.Gateways[0].MustAdmin(t, http.StatusNoContent, http.MethodDelete, "/admin/api/tokens/"+mine.ID, nil)
	sdk := s.Gateways[1].SDK()
	if _, err := sdk.Responses.New(t.Context(), question("vendor/gpt-test", "And?", first.ID)); codeOf(err) != "400 previous_response_not_found" {
		t.Errorf("%v", err)
	}
}
