package web

import (
	"context"
	"strconv"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/tokentest"
	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var testsPage = view{name: "tokentests", section: "tokens"}

// testsData are tokens that are to be tested, what that costs, and what it has found.
type testsData struct {
	Rows []testRow
	// Chosen is how many were chosen; those beyond the bound are left out.
	Chosen int
	// Model is the one that is asked; empty: one of each upstream's own.
	Model string
	Plan  tokentest.Plan
	// Done tells whether they were tested.
	Done bool
}

// testRow is a token, and what its test has found.
type testRow struct {
	tokenRow
	Result *testResult
}

type testResult struct{ tokentest.Result }

// Time is how long the answer took.
func (r testResult) Time() string { return duration(durationpb.New(r.Took)) }

// Left is how many of those that were chosen are not tested.
func (d testsData) Left() int { return d.Chosen - len(d.Rows) }

// Most is how many are tested at a time.
func (testsData) Most() int { return tokentest.Most }

// Priced is how many of the requests have a price.
func (d testsData) Priced() int { return d.Plan.Requests - d.Plan.Unpriced() }

// Works is how many have answered, once they were tested.
func (d testsData) Works() int { return len(d.Rows) - d.Fails() }

// Fails is Works for those that do not.
func (d testsData) Fails() int {
	n := 0
	for _, row := range d.Rows {
		if row.Result != nil && !row.Result.Works() {
			n++
		}
	}
	return n
}

// POST /admin/tokens/test: `selected` ids, or `matching` and the fields of the list's filter;
// `model`, `do` and `csrf`. It says what tests of these tokens cost; with `do=test` it tests them.
func (s *Site) testTokens(c *gin.Context) {
	session, ok := s.permittedForm(c, maxEditForm)
	if !ok {
		return
	}
	data, err := s.toTest(c)
	if err == nil && c.PostForm("do") == "test" {
		s.runTests(c, &data)
	}
	s.showForm(c, testsPage, session, data, err)
}

// toTest are the tokens that the form chooses, and what testing them costs.
func (s *Site) toTest(c *gin.Context) (testsData, error) {
	ctx, cancel := s.BulkCall(c)
	defer cancel()
	data := testsData{Model: c.PostForm("model")}
	tokens, chosen, err := s.chosenTokens(ctx, c)
	if err != nil {
		return data, err
	}
	if len(tokens) == 0 {
		return data, chat.Errorf(chat.InvalidRequest, "%s", s.texts(c.Request)["problem.none_chosen"])
	}
	data.Chosen = chosen
	for _, token := range tokens {
		data.Rows = append(data.Rows, testRow{tokenRow: tokenRow{token}})
	}
	data.Plan = s.Tests.Plan(data.tokens(), data.Model)
	return data, nil
}

// chosenTokens returns the tokens that a form chooses, as many as are tested at a time, and how
// many it chooses.
func (s *Site) chosenTokens(ctx context.Context, c *gin.Context) ([]*tokenstorev1.Token, int, error) {
	if c.PostForm("matching") != "" {
		table := tokenTable{
			Query: c.PostForm("q"), Upstream: c.PostForm("upstream"), State: c.PostForm("state"), Tag: c.PostForm("tag"),
			Sort: sortOr(c.PostForm("sort")), Page: 1, Size: tokentest.Most,
		}
		answer, err := s.Tokens.ListTokens(ctx, table.request())
		return answer.GetTokens(), max(int(answer.GetTotal()), len(answer.GetTokens())), err
	}
	ids := c.PostFormArray("selected")
	chosen := ids[:min(len(ids), tokentest.Most)]
	found, err := usage.FindTokens(ctx, s.Tokens, chosen)
	tokens := make([]*tokenstorev1.Token, 0, len(chosen))
	for _, id := range chosen {
		if token := found[id]; token != nil { // others are deleted
			tokens = append(tokens, token)
			delete(found, id)
		}
	}
	return tokens, len(ids) - len(chosen) + len(tokens), err
}

func (d testsData) tokens() []tokentest.Token {
	tokens := make([]tokentest.Token, 0, len(d.Rows))
	for _, row := range d.Rows {
		tokens = append(tokens, tokentest.Token{ID: row.GetId(), Upstream: row.GetUpstream()})
	}
	return tokens
}

// runTests tests the tokens of the page.
func (s *Site) runTests(c *gin.Context, data *testsData) {
	reached := 0
	for i, result := range s.Tests.Run(c.Request.Context(), data.tokens(), data.Model, s.Gate.FromPage()) {
		data.Rows[i].Result = &testResult{result}
		if result.Reached() {
			reached++
		}
	}
	data.Done = true
	s.Note(c, "tokens tested", "count", strconv.Itoa(reached), "works", strconv.Itoa(data.Works()))
}

// testsAddress sends whoever loads the page again to the list: what was chosen is in no address.
func testsAddress(c *gin.Context) { seeOther(c, tokensPath) }

// MostTested is how many tokens are tested at a time.
func (tokensData) MostTested() uint64 { return tokentest.Most }
