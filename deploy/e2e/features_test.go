package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// codeOf is the code of an API error, and its status.
func codeOf(err error) string {
	failure, ok := errors.AsType[*openai.Error](err)
	if !ok {
		return fmt.Sprint(err)
	}
	return fmt.Sprintf("%d %s", failure.StatusCode, failure.Code)
}

// set changes settings and waits until every gateway has them.
func set(t *testing.T, s *stack.Stack, settings map[string]any, holds func(*stack.Gateway) bool) {
	t.Helper()
	s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", settings)
	for _, gateway := range s.Gateways {
		s.Eventually("a setting holds", 5*time.Second, func() bool { return holds(gateway) })
	}
}

func TestChosenAlias(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	chosen := s.AddTokens("openai", "o", 3, 0)[1]
	s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+chosen.ID, map[string]any{"alias": "工作 50%"})
	const encoded = "%E5%B7%A5%E4%BD%9C%2050%25"
	header := option.WithHeader("X-Carousel-Alias", encoded)
	send := func(gateway *stack.Gateway, options ...option.RequestOption) error {
		sdk := gateway.SDK(append(options, option.WithMaxRetries(0))...)
		_, err := sdk.Chat.Completions.New(t.Context(), ask("gpt-test", "Hi"))
		return err
	}
	if got := codeOf(send(s.Gateways[0], header)); got != "400 invalid_request" {
		t.Errorf("while it is off: %s", got)
	}
	set(t, s, map[string]any{"enable_alias_pinning": true}, func(g *stack.Gateway) bool { return send(g, header) == nil })
	s.Sim.Reset()
	for i := range 20 {
		gateway, how := s.Gateways[i%2], header
		if i%4 < 2 {
			how = option.WithAPIKey(stack.AdminToken + "::" + encoded)
		}
		if err := send(gateway, how); err != nil {
			t.Fatal(err)
		}
	}
	ledger := s.Sim.Ledger()
	if got := ledger.Tokens[upstreamsim.Fingerprint(chosen.Secret)].Requests; got != 20 || ledger.Total.Requests != 20 {
		t.Errorf("the chosen token got %d of %d requests", got, ledger.Total.Requests)
	}
	if got := codeOf(send(s.Gateways[0], option.WithHeader("X-Carousel-Alias", "nobody"))); got != "404 alias_not_found" {
		t.Errorf("an unknown alias: %s", got)
	}
}

func TestOwnTokenAndImages(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway, own := s.Gateways[0], upstreamsim.DemoTokens().Cursor[0]
	sum := strings.Repeat("0a", 32)
	key := option.WithAPIKey(own + ",paaotc3J" + sum + "/" + sum)
	send := func(content []openai.ChatCompletionContentPartUnionParam, options ...option.RequestOption) error {
		sdk := gateway.SDK(append(options, option.WithMaxRetries(0))...)
		_, err := sdk.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{
			Model: "claude-3.5-sonnet", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(content)},
		})
		return err
	}
	text := []openai.ChatCompletionContentPartUnionParam{openai.TextContentPart("Hi")}
	if got := codeOf(send(text, key)); got != "401 unauthorized" {
		t.Errorf("while it is off: %s", got)
	}
	set(t, s, map[string]any{"enable_own_tokens": true, "vision_ability": "all"}, func(*stack.Gateway) bool { return send(text, key) == nil })
	s.Sim.Reset()
	link := openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: s.SimURL + "/sim/health"})
	if got := codeOf(send(append(text, link), key)); got != "400 invalid_image" {
		t.Errorf("an image on this machine: %s", got)
	}
	if ledger := s.Sim.Ledger(); ledger.Total.Requests != 0 {
		t.Errorf("%d requests reached the upstream", ledger.Total.Requests)
	}
	if err := s.Sim.SetRule(upstreamsim.Rule{Token: upstreamsim.Fingerprint(own), Scenario: "error-2"}); err != nil {
		t.Fatal(err)
	}
	if got := codeOf(send(text, key)); got != "401 own_token_refused" {
		t.Errorf("refused by the upstream: %s", got)
	}
	if got := s.Sim.Ledger().Total.Requests; got != 1 {
		t.Errorf("%d attempts", got)
	}
	if tokens := gateway.Tokens(t); len(tokens) != 0 {
		t.Errorf("%d tokens are stored", len(tokens))
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.PutCursor("cursor")
	gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", map[string]any{
		"token": upstreamsim.DemoTokens().Cursor[0], "upstream": "cursor", "alias": "work",
	})
	id := gateway.Tokens(t)[0].ID
	s.Eventually("the model is served", 5*time.Second, func() bool {
		sdk := gateway.SDK()
		_, err := sdk.Chat.Completions.New(t.Context(), ask("gpt-4o", "Hi"))
		return err == nil
	})
	// A chat on a model that counts has the account looked up, and nobody waits for it.
	s.Eventually("the account is looked up", 5*time.Second, func() bool { return s.Sim.Ledger().Lookups["/api/usage"] == 1 })
	var account struct {
		Membership string
		Email      string
		Error      *string
		Quotas     []struct {
			Name     string
			Requests int
		}
	}
	s.Eventually("the account is recorded", 5*time.Second, func() bool {
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens/"+id+"/account", nil).JSON(t, &account)
		return account.Membership == "pro"
	})
	if account.Email == "" || account.Error != nil || len(account.Quotas) != 3 || account.Quotas[0].Name != "premium" {
		t.Errorf("%+v", account)
	}
	var told struct {
		Usage struct {
			Fast int `json:"fast_requests"`
			Max  int `json:"max_fast_requests"`
		}
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/get-user-info?alias=work", nil).JSON(t, &told)
	if told.Usage.Fast < 1 || told.Usage.Max != 500 {
		t.Errorf("%+v", told)
	}
	ledger := s.Sim.Ledger()
	if ledger.Lookups["/api/usage"] != 1 || len(ledger.Violations) != 0 {
		t.Errorf("%v, %+v", ledger.Lookups, ledger.Violations)
	}
}
