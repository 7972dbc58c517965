package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	readyNow    = tokenstorev1.TokenState_TOKEN_STATE_READY
	quarantined = tokenstorev1.TokenState_TOKEN_STATE_QUARANTINED
)

// in is a token that expires after so many hours; 0: never.
func in(id string, state tokenstorev1.TokenState, weight, limit uint32, hours int) *tokenstorev1.Token {
	token := &tokenstorev1.Token{Id: id, State: state, Weight: weight, Cap: limit}
	if hours > 0 {
		token.ExpiresAt = timestamppb.New(time.Unix(0, 0).Add(time.Duration(hours) * time.Hour))
	}
	return token
}

func TestForecast(t *testing.T) {
	t.Parallel()
	renewed := in("renewed", readyNow, 1, 0, 1)
	renewed.Kind = tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN
	for name, c := range map[string]struct {
		tokens []*tokenstorev1.Token
		tells  bool
		want   string
	}{
		"by weight":                        {[]*tokenstorev1.Token{in("a", readyNow, 3, 0, 0), in("b", readyNow, 1, 0, 0)}, false, "a 3/4 all, b 1/4 none"},
		"no weight is one":                 {[]*tokenstorev1.Token{in("a", readyNow, 0, 0, 0), in("b", readyNow, 1, 0, 0)}, false, "a 1/2 all, b 1/2 none"},
		"who can't serve gets nothing":     {[]*tokenstorev1.Token{in("a", tokenstorev1.TokenState_TOKEN_STATE_PARKED, 5, 0, 0), in("b", readyNow, 1, 0, 0)}, false, "a 0/1 none, b 1/1 all"},
		"who is new does":                  {[]*tokenstorev1.Token{in("a", quarantined, 1, 0, 0)}, false, "a 1/1 all"},
		"fill first takes what ends first": {[]*tokenstorev1.Token{in("a", readyNow, 1, 0, 0), in("b", readyNow, 1, 0, 9), in("c", readyNow, 1, 0, 2)}, false, "a 1/3 none, b 1/3 none, c 1/3 all"},
		"within its cap":                   {[]*tokenstorev1.Token{in("a", readyNow, 1, 4, 1), in("b", readyNow, 1, 2, 2), in("c", readyNow, 1, 0, 3), in("d", readyNow, 1, 0, 4)}, false, "a 1/4 first, b 1/4 then, c 1/4 then, d 1/4 none"},
		"what is renewed does not end":     {[]*tokenstorev1.Token{renewed, in("b", readyNow, 1, 0, 5)}, false, "renewed 1/2 none, b 1/2 all"},
		"quotas that are not known":        {[]*tokenstorev1.Token{in("a", readyNow, 1, 0, 1), in("b", readyNow, 1, 0, 2)}, true, "a 1/2 unknown, b 1/2 unknown"},
		"one alone, whatever its quota is": {[]*tokenstorev1.Token{in("a", readyNow, 1, 0, 1)}, true, "a 1/1 all"},
		"nobody serves":                    {[]*tokenstorev1.Token{in("a", tokenstorev1.TokenState_TOKEN_STATE_DISABLED, 1, 0, 1)}, false, "a 0/0 none"},
	} {
		var said []string
		shares := forecastOf(c.tokens, c.tells)
		for _, token := range c.tokens {
			share := shares[token.GetId()]
			said = append(said, fmt.Sprintf("%s %d/%d %s", token.GetId(), share.Weight, share.Weights, share.Fill))
		}
		if got := strings.Join(said, ", "); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
