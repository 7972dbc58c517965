package relay

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/headerlog"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// untimed compares attempts without their times.
var untimed = cmpopts.IgnoreFields(reqlog.Attempt{}, "StartedAt", "Total")

func TestEachAttemptIsLogged(t *testing.T) {
	t.Parallel()
	limited := &upstream.Failure{
		Class: upstream.RateLimit, Rule: "limit", Status: 429, Code: "too_many", Param: "pace", Message: "slow down", RetryAfter: time.Minute,
	}
	r := newRig(play(script{err: limited}, bad(upstream.ModelNotAllowed), good(say("Hello"))))
	r.chat(t.Context(), t, whole)
	entry := r.ended(t, upstream.RateLimit, upstream.ModelNotAllowed, "")
	with := func(token string, effect reqlog.Effect) reqlog.Attempt {
		return reqlog.Attempt{
			Upstream: "up", Model: "inner m", TokenID: token, TokenAlias: "alias of " + token, TokenFingerprint: "f-" + token,
			MaskedSecret: "masked " + token, Effect: effect,
		}
	}
	first, second, third := with("a", reqlog.TokenMayCool), with("b", reqlog.ModelMayCool), with("c", reqlog.NoEffect)
	first.Class, first.Rule, first.Status, first.Code, first.Param = "rate_limit", "limit", 429, "too_many", "pace"
	first.Message, first.RetryAfter = "slow down", time.Minute
	second.Class, second.Message = "model_not_allowed", "it said so"
	if diff := cmp.Diff([]reqlog.Attempt{first, second, third}, entry.AttemptLog, untimed); diff != "" {
		t.Error(diff)
	}
	for i, each := range entry.AttemptLog {
		if each.StartedAt.Before(entry.StartedAt) || each.Total <= 0 || each.Total > entry.Total {
			t.Errorf("attempt %d began %v and took %v", i, each.StartedAt, each.Total)
		}
	}
}

// What failed has its headers in the log, and the client's beside them; what succeeded has none.
func TestHeadersOfWhatFailed(t *testing.T) {
	t.Parallel()
	header := func(of string) http.Header {
		return http.Header{"Content-Type": {of}, "Authorization": {"Bearer sk-secret"}}
	}
	kept := func(of string) []headerlog.Header {
		return []headerlog.Header{{Name: "Authorization", Hidden: true}, {Name: "Content-Type", Value: of}}
	}
	ask := func(scripts ...script) reqlog.Entry {
		driver, calls := play(scripts...), 0
		r := newRig(func(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
			calls++
			request, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://upstream.example", http.NoBody)
			request.Header = header(fmt.Sprint("to ", calls))
			headerlog.Sending(request).Answered(&http.Response{Header: header(fmt.Sprint("from ", calls))})
			return driver(ctx, call)
		})
		r.chat(headerlog.Following(t.Context(), &headerlog.Record{Client: header("client")}), t, whole)
		return r.log.entries[0]
	}

	tried := ask(bad(upstream.RateLimit), good(say("Hello")))
	first, second := tried.AttemptLog[0], tried.AttemptLog[1]
	if diff := cmp.Diff([][]headerlog.Header{kept("client"), kept("to 1"), kept("from 1"), nil, nil}, [][]headerlog.Header{tried.ClientHeaders, first.Sent, first.Received, second.Sent, second.Received}); diff != "" {
		t.Error(diff)
	}
	if fine := ask(good(say("Hello"))); fine.ClientHeaders != nil || fine.AttemptLog[0].Sent != nil {
		t.Errorf("a request that succeeded: %v, %v", fine.ClientHeaders, fine.AttemptLog)
	}
}

// A token of the client's own is nobody's to cool.
func TestAttemptWithOwnTokenIsLogged(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.RateLimit)))
	r.bringsOwn()
	r.chat(t.Context(), t, whole)
	want := []reqlog.Attempt{{
		Upstream: "up", Model: "inner m", MaskedSecret: r.choice.Own.Secret.Masked(), Class: "rate_limit", Effect: reqlog.NoEffect, Message: "it said so",
	}}
	if diff := cmp.Diff(want, r.log.entries[0].AttemptLog, untimed); diff != "" {
		t.Error(diff)
	}
}

func TestAttemptLogIsBounded(t *testing.T) {
	t.Parallel()
	var entry reqlog.Entry
	for i := range 100 {
		entry.Note(reqlog.Attempt{TokenID: fmt.Sprint(i)})
	}
	if got := entry.AttemptLog; len(got) != 16 || got[14].TokenID != "14" || got[15].TokenID != "99" {
		t.Errorf("%d attempts, the last two %v", len(got), got[len(got)-2:])
	}
}
