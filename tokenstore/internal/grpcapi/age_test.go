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
	s := startLeases(t, 1)
	s.server.SetAge(time.Second)
	first := s.session(t)
	first.send(&tokenstorev1.SessionRequest{Demands: []*tokenstorev1.Demand{{Id: 1, Upstream: "cursor", Count: 1}}})
	first.until("a lease", func() bool { return len(first.said.GetGrants()) == 1 })
	held := first.said.GetGrants()[0].GetLeases()[0]
	last := first.send(&tokenstorev1.SessionRequest{
		Demands: []*tokenstorev1.Demand{{Id: 2, Upstream: "cursor", Count: 1, MaxWait: durationpb.New(testredis.Timeout)}}, // queues
	})
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
	if open := s.openLeases(t, "t0"); open != 1 {
		t.Errorf("%d leases are open, want the one that is held", open)
	}
	if strings.Contains(s.log.String(), "level=WARN") {
		t.Errorf("the log says\n%s", s.log)
	}

	s.server.SetAge(time.Hour)
	next := s.session(t)
	next.send(&tokenstorev1.SessionRequest{
		Renewals: []*tokenstorev1.LeaseRef{{LeaseId: held.GetId(), TokenId: held.GetTokenId()}}, Complete: true,
		Demands: []*tokenstorev1.Demand{{Id: 2, Upstream: "cursor", Count: 1, MaxWait: durationpb.New(testredis.Timeout)}},
	})
	next.send(&tokenstorev1.SessionRequest{Reports: []*tokenstorev1.Report{
		{LeaseId: held.GetId(), TokenId: held.GetTokenId(), Outcome: tokenstorev1.Outcome_OUTCOME_SUCCESS},
	}})
	next.until("the lease that was waited for", func() bool { return len(next.said.GetGrants()) == 1 })
	if len(next.said.GetLostLeaseIds()) != 0 {
		t.Errorf("lost: %v", next.said.GetLostLeaseIds())
	}
}
