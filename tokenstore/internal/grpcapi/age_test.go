package grpcapi_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// A session that has come of age ends in good order: what its replica has been told to
// be carried out is, its leases live on, and the next session takes over.
func TestSessionOfAgeEndsInGoodOrder(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 1, 0)
	age := time.NewTimer(time.Hour)
	s.server.SetAge(age)
	first := s.session(t)
	take := func(id uint64, alias string) *tokenstorev1.Lease {
		t.Helper()
		leases, denial := first.demand(&tokenstorev1.Demand{Id: id, Upstream: "cursor", Count: 1, Alias: alias})
		if denial != nil {
			t.Fatal(denial)
		}
		return leases[0]
	}
	held, ended := take(1, "t0"), take(2, "t1")
	queues := &tokenstorev1.Demand{Id: 3, Upstream: "cursor", Count: 1, Alias: "t0", MaxWait: durationpb.New(testredis.Timeout)}
	entered, release := make(chan struct{}), make(chan struct{})
	s.faults.set(func() {
		s.faults.settle = func() error {
			close(entered)
			<-release
			return nil
		}
	})
	last := first.send(&tokenstorev1.SessionRequest{
		Reports: []*tokenstorev1.Report{report(ended, tokenstorev1.Outcome_OUTCOME_SUCCESS)}, Demands: []*tokenstorev1.Demand{queues},
	})
	<-entered
	age.Reset(0) // while the last message is being carried out
	s.faults.set(func() { s.faults.settle = nil })
	close(release)
	acknowledged := uint64(0)
	for {
		response, err := first.stream.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("it ended with %v", err)
			}
			break
		}
		acknowledged = max(acknowledged, response.GetAcknowledged())
	}
	if acknowledged != last {
		t.Errorf("acknowledged up to %d of %d", acknowledged, last)
	}
	if held, ended := s.openLeases(t, "t0"), s.openLeases(t, "t1"); held != 1 || ended != 0 {
		t.Errorf("%d and %d leases are open, want the one that is held", held, ended)
	}
	if strings.Contains(s.log.String(), "level=WARN") {
		t.Errorf("the log says\n%s", s.log)
	}

	s.server.SetAge(time.NewTimer(time.Hour))
	next := s.session(t)
	next.send(&tokenstorev1.SessionRequest{
		Renewals: []*tokenstorev1.LeaseRef{{LeaseId: held.GetId(), TokenId: held.GetTokenId()}}, Complete: true,
		Demands: []*tokenstorev1.Demand{queues},
	})
	next.send(&tokenstorev1.SessionRequest{Reports: []*tokenstorev1.Report{
		{LeaseId: held.GetId(), TokenId: held.GetTokenId(), Outcome: tokenstorev1.Outcome_OUTCOME_SUCCESS},
	}})
	next.until("the lease that was waited for", func() bool { return len(next.said.GetGrants()) == 1 })
	if len(next.said.GetLostLeaseIds()) != 0 {
		t.Errorf("lost: %v", next.said.GetLostLeaseIds())
	}
}
