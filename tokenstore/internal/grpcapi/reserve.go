package grpcapi

import (
	"context"
	"slices"
	"strings"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

// reserve renews the replica's reserve and returns what has changed; nil when it
// was not asked.
func (s *session) reserve(ctx context.Context, asked *tokenstorev1.Reservation) (*tokenstorev1.Reserve, error) {
	if asked == nil {
		return nil, nil //nolint:nilnil // nothing asked, nothing answered
	}
	reservation := leasing.Reservation{Replica: s.replica, Instance: asked.GetInstance(), TTL: asked.GetTtl().AsDuration()}
	if asked.GetLeaving() {
		reservation.TTL = 0
	}
	for _, hold := range asked.GetHolds() {
		reservation.Holds = append(reservation.Holds, leasing.Hold{TokenID: hold.GetTokenId(), Slots: int(hold.GetSlots())})
	}
	kept, err := s.desk.Reserve(ctx, reservation)
	if err != nil {
		return nil, err
	}
	if len(kept.Away) > 0 && !s.defers { // it would take what it holds there for prolonged
		return nil, rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "the pools of %s can't be reached", strings.Join(kept.Away, ", "))
	}
	answer := &tokenstorev1.Reserve{DroppedTokenIds: kept.Dropped, Settling: s.desk.Settling(), AwayUpstreams: kept.Away}
	for _, each := range kept.Added {
		lease := leaseOnWire(each.Lease)
		lease.Epoch = each.Since
		answer.Added = append(answer.Added, &tokenstorev1.Reserved{
			Lease: lease, Upstream: each.Upstream, Slots: uint32(each.Slots), //nolint:gosec // at most a cap
		})
	}
	return answer, nil
}

// reconcile counts uses of the reserve. Those that it defers it counts only in their order.
func (s *session) reconcile(ctx context.Context, uses []*tokenstorev1.ReserveReport, later *deferrals) error {
	var numbers []uint64
	var reports []leasing.Report
	for _, use := range uses {
		upstream := use.GetReport().GetUpstream()
		if first, owes := s.owed[upstream]; owes && use.GetNumber() > first {
			later.uses = append(later.uses, use.GetNumber())
			continue
		}
		delete(s.owed, upstream)
		numbers, reports = append(numbers, use.GetNumber()), append(reports, reportFrom(use.GetReport(), s.replica))
	}
	if len(reports) == 0 {
		return nil
	}
	if err := later.leases(s.desk.Reconcile(ctx, s.replica, numbers, reports)); err != nil {
		return err
	}
	for _, use := range uses {
		upstream := use.GetReport().GetUpstream()
		if _, owes := s.owed[upstream]; !owes && slices.Contains(later.uses, use.GetNumber()) {
			s.owed[upstream] = use.GetNumber()
		}
	}
	return nil
}
