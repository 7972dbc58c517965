package errand

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		upstream string // empty: cursor
		err      error
		takes    time.Duration
		want     proto.Message
	}{
		"done": {want: &tokenstorev1.Granted{AccessToken: "access-1", RefreshToken: "refresh-2", ExpiresAt: timestamppb.New(granted.ExpiresAt)}},
		"not yet": {
			err: upstream.ErrLoginPending, want: &tokenstorev1.Postponed{Counts: true},
		},
		"over": {
			err: refused("HTTP 410 for verifier-1"), want: &tokenstorev1.Refused{Detail: "the upstream refuses it: HTTP 410 for [hidden]"},
		},
		"too often": {
			err:  &upstream.WaitError{For: 5 * time.Second, Text: "slow down"},
			want: &tokenstorev1.Postponed{Detail: "slow down", RetryAfter: durationpb.New(5 * time.Second)},
		},
		"nothing is found out": {err: errors.New("HTTP 500"), want: &tokenstorev1.Postponed{Detail: "HTTP 500", Counts: true}},
		"no answer":            {takes: time.Hour, want: &tokenstorev1.Postponed{Detail: "no answer within 15s", Counts: true}},
		"where nobody can log in": {
			upstream: "plain", want: &tokenstorev1.Postponed{Detail: `of upstream "plain", nobody can log in there`, RetryAfter: durationpb.New(unableWait)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T, r *rig) {
				r.driver.takes = c.takes
				r.driver.poll = func(upstream.LoginAttempt) (upstream.Grant, error) {
					if c.err != nil {
						return upstream.Grant{}, c.err
					}
					return granted, nil
				}
				errand := loginErrand("login-1")
				if c.upstream != "" {
					errand.Upstream = c.upstream
				}
				r.store.add(errand)
				time.Sleep(30 * time.Second)
				settled := r.store.settledLogins()
				if len(settled) != 1 || settled[0].GetId() != "login-1" || settled[0].GetEpoch() != 1 {
					t.Fatalf("settled %v", settled)
				}
				if got := loginResult(settled[0]); !proto.Equal(got, c.want) {
					t.Errorf("got  %v\nwant %v", got, c.want)
				}
				if asked := r.driver.questions(); c.upstream == "" && !slices.Equal(asked, []string{"uuid-1 with verifier-1 through " + proxyURL}) {
					t.Errorf("asked %q", asked)
				}
			})
		})
	}
}

func loginResult(settled *tokenstorev1.SettleLoginRequest) proto.Message {
	switch result := settled.GetResult().(type) {
	case *tokenstorev1.SettleLoginRequest_Granted:
		return result.Granted
	case *tokenstorev1.SettleLoginRequest_Refused:
		return result.Refused
	default:
		return settled.GetPostponed()
	}
}

func TestAccountsAreAskedAbout(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		asked := make(chan string, 10)
		r.Account = func(_ context.Context, tokenID string) error {
			asked <- tokenID
			r.store.set(func(s *fakeStore) { delete(s.out, tokenID) }) // what is recorded ends the errand
			return nil
		}
		r.store.add(accountErrand("a"))
		time.Sleep(10 * time.Second)
		if len(asked) != 1 || <-asked != "a" {
			t.Errorf("%d questions", len(asked))
		}
	})
}

// Whatever was not recorded is asked again, by whom the store chooses.
func TestAnAccountThatIsNotRecordedComesAgain(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, r *rig) {
		asked := make(chan string, 10)
		r.Account = func(_ context.Context, tokenID string) error {
			asked <- tokenID
			return errors.New("the store is away")
		}
		r.store.add(accountErrand("a"))
		time.Sleep(5 * time.Second)
		if len(asked) != 2 && len(asked) != 3 {
			t.Errorf("asked %d times", len(asked))
		}
	})
}
