package admincli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"carousel.internal/gateway/internal/tokenform"
)

const (
	// testsAtOnce is how many tokens the gateway tests in one call: results are shown as they come.
	testsAtOnce = 8
	// testTimeout bounds one such call; an answer has a minute.
	testTimeout = 3 * time.Minute
	// maxPlanned is of how many tokens the API says in one call what tests cost.
	maxPlanned = 200
)

func (s *session) testTokens() *cobra.Command {
	c := &cobra.Command{
		Use: "test [TOKEN…]", Short: "Send each token a small real request that no other serves",
		Long: `Tests those that are named, or all that the flags choose: each is sent one small real request,
which counts and costs what it costs. That is said first; with --dry-run nothing is sent. Ctrl+C
ends it: nothing more is sent then. The exit code is 1 where a token does not work.`,
		Example: s.examples("tokens test work spare", "tokens test --upstream deepseek --dry-run", "tokens test --state quarantined --model gpt-4o-mini"),
		Args:    between(0, -1), ValidArgsFunction: s.completeTokens,
	}
	query := s.tokenQuery(c)
	model := c.Flags().String("model", "", "the `MODEL` that is asked; without it a small one of each upstream's own")
	dry := c.Flags().Bool("dry-run", false, "only say what it costs")
	return s.runs(c, func(ctx context.Context, names []string) error {
		ids, err := s.namedOrChosen(ctx, names, query.values())
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := s.sayTestCost(ctx, ids, *model, *dry); err != nil || *dry {
			return err
		}
		return s.runTests(ctx, ids, *model)
	})
}

// namedOrChosen are the ids of the tokens that are named, or that flags choose.
func (s *session) namedOrChosen(ctx context.Context, names []string, chosen map[string][]string) ([]string, error) {
	switch {
	case len(names) > 0 && len(chosen) > 0:
		return nil, misuse("name tokens or choose them by flags, not both")
	case len(names)+len(chosen) == 0:
		return nil, misuse("name tokens, or choose them by --upstream, --state, --tag or --search")
	}
	ids := make([]string, len(names))
	for i, name := range names {
		var err error
		if ids[i], err = s.tokenID(ctx, name); err != nil {
			return nil, err
		}
	}
	if len(names) > 0 {
		return ids, nil
	}
	listed, err := s.allTokens(ctx, chosen)
	if err != nil {
		return nil, err
	}
	if ids, err = idsOf(listed); err == nil && len(ids) == 0 {
		s.say("no token is such")
	}
	return ids, err
}

// sayTestCost says what tests cost: as the answer to a dry run, else beside what follows.
func (s *session) sayTestCost(ctx context.Context, ids []string, model string, dry bool) error {
	for some := range slices.Chunk(ids, maxPlanned) {
		answer, err := s.api.send(ctx, http.MethodPost, "tokens/test", map[string]any{"ids": some, "model": model, "dry_run": true})
		if err != nil {
			return err
		}
		plan, err := read[tokenform.TestPlan](answer, nil)
		if err != nil {
			return err
		}
		if dry && s.form != asTable {
			if err := s.show(answer, "upstreams", nil); err != nil {
				return err
			}
			continue
		}
		for _, part := range plan.Upstreams {
			cost := "cost not known"
			if part.EstimatedUSD != nil {
				cost = fmt.Sprintf("about %s USD, at most %s USD", *part.EstimatedUSD, text(part.AtMostUSD))
			}
			s.say("%s, %s: %d requests, %s", part.Upstream, orNone(part.Model, "no model is known yet"), part.Requests, cost)
		}
	}
	return nil
}

func orNone(value *string, otherwise string) string {
	if value == nil {
		return otherwise
	}
	return printable(*value)
}

// runTests tests tokens, some in each call, and prints what is found as it comes.
func (s *session) runTests(ctx context.Context, ids []string, model string) error {
	works := 0
	all := []json.RawMessage{}
	for some := range slices.Chunk(ids, testsAtOnce) {
		found, err := s.testSome(ctx, some, model)
		if err != nil {
			return err
		}
		for _, each := range found {
			result, err := read[tokenform.TestResult](each, nil)
			if err != nil {
				return err
			}
			if result.Works {
				works++
			}
			if s.form == asTable {
				s.tellTest(result)
			}
		}
		all = append(all, found...)
	}
	if s.form != asTable {
		answer, err := encoded(map[string]any{"results": all}, nil)
		if err == nil {
			err = s.show(answer, "results", nil)
		}
		if err != nil {
			return err
		}
	}
	s.say("%d work, %d don't", works, len(ids)-works)
	if works < len(ids) {
		return fmt.Errorf("%d of %d tokens don't work", len(ids)-works, len(ids))
	}
	return nil
}

func (s *session) testSome(ctx context.Context, ids []string, model string) ([]json.RawMessage, error) {
	body, err := encoded(map[string]any{"ids": ids, "model": model}, nil)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	answer, _, err := s.api.callWithin(ctx, testTimeout, http.MethodPost, "tokens/test", nil, header, body)
	tested, err := read[struct {
		Results []json.RawMessage `json:"results"`
	}](answer, err)
	return tested.Results, err
}

// tellTest prints what one test has found.
func (s *session) tellTest(r tokenform.TestResult) {
	if r.Works {
		cost := ""
		if r.CostUSD != nil {
			cost = ", " + *r.CostUSD + " USD"
		}
		s.say("%s works: %s, %d ms%s", r.TokenID, orNone(r.Model, ""), *r.TotalMS, cost)
		return
	}
	s.say("%s fails (%s): %s. %s", r.TokenID, text(r.Class), text(r.Message), text(r.Advice))
}
