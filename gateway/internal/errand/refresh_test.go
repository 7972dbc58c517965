package errand

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// refused is what an upstream says that takes a refresh token no more.
func refused(text string) error { return fmt.Errorf("%w: %s", upstream.ErrRefused, text) }

func TestRefresh(t *testing.T) {
	t.Parallel()
	whole := &tokenstorev1.Granted{AccessToken: "access-1", RefreshToken: "refresh-2", ExpiresAt: timestamppb.New(granted.ExpiresAt)}
	for name, c := range map[string]struct {
		upstream string // empty: cursor
		former   string
		takes    time.Duration
		// answers are by refresh token; what is not there is granted.
		answers map[string]any
		asked   []string
		want    proto.Message
	}{
		"granted":                              {asked: []string{"refresh-1"}, want: whole},
		"granted, with the one before at hand": {former: "refresh-0", asked: []string{"refresh-1"}, want: whole},
		"granted, and the refresh token stays": {
			answers: map[string]any{"refresh-1": upstream.Grant{Access: secret.New("access-1")}},
			asked:   []string{"refresh-1"}, want: &tokenstorev1.Granted{AccessToken: "access-1"},
		},
		"granted for the one before": {
			former: "refresh-0", takes: 5 * time.Second, answers: map[string]any{"refresh-1": refused("used up")},
			asked: []string{"refresh-1", "refresh-0"}, want: whole,
		},
		"granted for the one before, which stays": {
			former: "refresh-0", answers: map[string]any{"refresh-1": refused("used up"), "refresh-0": upstream.Grant{Access: secret.New("access-1")}},
			asked: []string{"refresh-1", "refresh-0"}, want: &tokenstorev1.Granted{AccessToken: "access-1", RefreshToken: "refresh-0"},
		},
		"refused": {
			answers: map[string]any{"refresh-1": refused("refresh-1 is unknown")}, asked: []string{"refresh-1"},
			want: &tokenstorev1.Refused{Detail: "the upstream refuses it: [hidden] is unknown"},
		},
		"both refused": {
			former: "refresh-0", answers: map[string]any{"refresh-1": refused("used up"), "refresh-0": refused("refresh-0 is used up, too")},
			asked: []string{"refresh-1", "refresh-0"},
			want:  &tokenstorev1.Refused{Detail: "the upstream refuses it: used up; of the one before: the upstream refuses it: [hidden] is used up, too"},
		},
		"refused, and of the one before nothing is found out": {
			former: "refresh-0", answers: map[string]any{"refresh-1": refused("used up"), "refresh-0": errors.New("HTTP 502")},
			asked: []string{"refresh-1", "refresh-0"}, want: &tokenstorev1.Postponed{Detail: "HTTP 502", Counts: true},
		},
		"nothing is found out": {
			former: "refresh-0", answers: map[string]any{"refresh-1": errors.New("HTTP 503: <b>refresh-1</b>")}, asked: []string{"refresh-1"},
			want: &tokenstorev1.Postponed{Detail: "HTTP 503: [hidden]", Counts: true},
		},
		"too often": {
			answers: map[string]any{"refresh-1": &upstream.WaitError{For: time.Minute, Text: "slow down"}}, asked: []string{"refresh-1"},
			want: &tokenstorev1.Postponed{Detail: "slow down", RetryAfter: durationpb.New(time.Minute)},
		},
		"too often, who knows until when": {
			answers: map[string]any{"refresh-1": &upstream.WaitError{Text: "slow down"}}, asked: []string{"refresh-1"},
			want: &tokenstorev1.Postponed{Detail: "slow down"},
		},
		"the proxy is dead": {
			answers: map[string]any{"refresh-1": &egress.Error{Text: "proxy " + proxyURL + " refuses"}}, asked: []string{"refresh-1"},
			want: &tokenstorev1.Postponed{Detail: "proxy [hidden] refuses", Counts: true},
		},
		"no answer": {
			takes: time.Hour, asked: []string{"refresh-1"}, want: &tokenstorev1.Postponed{Detail: "no answer within 15s", Counts: true},
		},
		"an empty grant": {
			answers: map[string]any{"refresh-1": upstream.Grant{}}, asked: []string{"refresh-1"},
			want: &tokenstorev1.Postponed{Detail: "the upstream has granted an access token that is empty", Counts: true},
		},
		"an upstream that is not known yet": {
			upstream: "new", want: &tokenstorev1.Postponed{Detail: `there is no upstream "new"`, RetryAfter: durationpb.New(unknownWait)},
		},
		"one that renews nothing": {
			upstream: "plain", want: &tokenstorev1.Postponed{Detail: `of upstream "plain", it renews no access tokens`, RetryAfter: durationpb.New(unableWait)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T, r *rig) {
				r.driver.takes = c.takes
				r.driver.renew = func(refresh string) (upstream.Grant, error) {
					switch answer := c.answers[refresh].(type) {
					case error:
						return upstream.Grant{}, answer
					case upstream.Grant:
						return answer, nil
					default:
						return granted, nil
					}
				}
				errand := refreshErrand("a")
				errand.GetRefresh().FormerRefreshToken = c.former
				if c.upstream != "" {
					errand.Upstream = c.upstream
				}
				r.store.add(errand)
				time.Sleep(30 * time.Second)
				settled := r.store.settledRefreshes()
				if len(settled) != 1 || settled[0].GetId() != "a" || settled[0].GetEpoch() != 1 {
					t.Fatalf("settled %v", settled)
				}
				if got := refreshResult(settled[0]); !proto.Equal(got, c.want) {
					t.Errorf("got  %v\nwant %v", got, c.want)
				}
				var asked []string
				for _, each := range c.asked {
					asked = append(asked, each+" through "+proxyURL)
				}
				if got := r.driver.questions(); !slices.Equal(got, asked) {
					t.Errorf("asked %q", got)
				}
			})
		})
	}
}

func refreshResult(settled *tokenstorev1.SettleRefreshRequest) proto.Message {
	switch result := settled.GetResult().(type) {
	case *tokenstorev1.SettleRefreshRequest_Granted:
		return result.Granted
	case *tokenstorev1.SettleRefreshRequest_Refused:
		return result.Refused
	default:
		return settled.GetPostponed()
	}
}

// A process that was frozen may find that its errand is somebody else's.
func TestNoUpstreamIsAskedForAnErrandThatMayBeAnothers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.begin(t.Context(), refreshErrand("a"), time.Now().Add(-heldFor))
		r.begin(t.Context(), loginErrand("b"), time.Now().Add(-heldFor))
		r.working.Wait()
		if asked := r.driver.questions(); len(asked) != 0 || r.hand.size() != 0 {
			t.Errorf("asked %q, %d in hand", asked, r.hand.size())
		}
		if len(r.store.settledRefreshes())+len(r.store.settledLogins()) != 0 {
			t.Error("something was settled")
		}
	})
}
