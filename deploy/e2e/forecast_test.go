package e2e_test

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// foretold is what the page of settings says that a token will get.
type foretold struct {
	// byWeight is its share in percent.
	byWeight float64
	// filled is what it gets under fill first, as the page says it.
	filled string
}

var foretoldRow = regexp.MustCompile(`<a href="/admin/tokens/([^"]+)">.*<td class="number">([^<]+)</td><td>([^<]+)</td></tr>`)

// forecasts reads what the page of settings says of each token.
func forecasts(t *testing.T, gateway *stack.Gateway, session string) map[string]foretold {
	t.Helper()
	page := send(t, gateway, http.MethodGet, "/admin/settings", "", "", map[string]string{"Cookie": session, "Accept-Language": "en"})
	_, table, _ := strings.Cut(string(page.body), `id="shares"`)
	all := map[string]foretold{}
	for _, row := range foretoldRow.FindAllStringSubmatch(strings.ReplaceAll(table, "</tr>", "</tr>\n"), -1) {
		percent := 0.0
		if number, is := strings.CutSuffix(row[2], " %"); is {
			var err error
			if percent, err = strconv.ParseFloat(number, 64); err != nil {
				t.Fatalf("the share %q", row[2])
			}
		}
		all[row[1]] = foretold{percent, row[3]}
	}
	return all
}

// What the page of settings foretells of the tokens' shares is what the tokenstore's strategies
// give them: by their weights, and under fill first all to one. Tokens that can't serve get
// nothing.
func TestSharesAreAsForetold(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "o", 5, 0)
	if failed := chats(t, s.Gateways, "gpt-test", 20, 1); failed > 0 { // none is new any more
		t.Fatalf("%d requests failed", failed)
	}
	for i, weight := range []int{1, 3, 6, 2} {
		changeToken(t, gateway, tokens[i].ID, map[string]any{"weight": weight})
	}
	changeToken(t, gateway, tokens[4].ID, map[string]any{"enabled": false})
	session := loginCookie(t, gateway)
	told := forecasts(t, gateway, session)

	const requests, slack = 120, 6 // leases that are taken ahead go to tokens in turn
	// off makes requests, and says which tokens had not what was foretold.
	off := func(agrees func(foretold, float64) bool) (wrong []string) {
		s.Sim.Reset()
		if failed := chats(t, s.Gateways, "gpt-test", requests, 1); failed > 0 {
			t.Fatalf("%d requests failed", failed)
		}
		for _, token := range tokens {
			had := float64(s.Sim.Ledger().Tokens[upstreamsim.Fingerprint(token.Secret)].Requests)
			if !agrees(told[token.ID], had) {
				wrong = append(wrong, fmt.Sprintf("%s had %v, %+v foretold", token.ID, had, told[token.ID]))
			}
		}
		return wrong
	}
	byWeight := func(f foretold, had float64) bool { return math.Abs(had-requests*f.byWeight/100) <= slack }
	filled := func(f foretold, had float64) bool {
		return f.filled == "all" && had == requests || f.filled == "nothing" && had == 0
	}
	for _, c := range []struct {
		strategy string
		agrees   func(foretold, float64) bool
	}{{"round_robin", byWeight}, {"sticky", byWeight}, {"least_in_flight", byWeight}, {"fill_first", filled}} {
		gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"rotation_strategy": c.strategy, "affinity": "off"})
		s.Eventually(c.strategy+" shares as foretold", 20*time.Second, func() bool {
			wrong := off(c.agrees)
			t.Logf("%s: %d tokens had other shares: %v", c.strategy, len(wrong), wrong)
			return len(wrong) == 0
		})
	}
	if told[tokens[4].ID].byWeight != 0 || told[tokens[2].ID].byWeight != 50 {
		t.Errorf("foretold %+v", told)
	}
}

// changeToken changes some fields of a token.
func changeToken(t *testing.T, gateway *stack.Gateway, id string, fields map[string]any) {
	t.Helper()
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+id, fields)
}
