package grpcapi

import (
	"errors"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/ledger"
)

// deferrals are what of a message was not carried out, because the part of the store that it
// concerns can't be reached while others can. The replica says it again.
type deferrals struct {
	// allowed: the replica knows of deferrals. Else there are none, and what would be one is an error.
	allowed  bool
	leaseIDs []string
	keyIDs   []string
	uses     []uint64
}

// leases takes in what was deferred, and returns any other error.
func (d *deferrals) leases(err error) error {
	part, is := errors.AsType[*leasing.Deferred](err)
	if !is || !d.allowed {
		return err
	}
	d.uses = append(d.uses, part.Uses...)
	for _, each := range part.Leases {
		d.leaseIDs = append(d.leaseIDs, each.LeaseID)
	}
	return nil
}

// key is leases for the statement of a key. One call at a time.
func (d *deferrals) key(id string, err error) error {
	if _, is := errors.AsType[*ledger.Away](err); !is || !d.allowed {
		return err
	}
	d.keyIDs = append(d.keyIDs, id)
	return nil
}

// locate tells the store what the replica knows of where tokens are.
func (s *session) locate(request *tokenstorev1.SessionRequest) {
	for _, each := range request.GetReports() {
		s.desk.Locate(each.GetTokenId(), each.GetUpstream())
	}
	for _, each := range request.GetReserveReports() {
		s.desk.Locate(each.GetReport().GetTokenId(), each.GetReport().GetUpstream())
	}
	for _, each := range request.GetRenewals() {
		s.desk.Locate(each.GetTokenId(), each.GetUpstream())
	}
	for _, each := range request.GetReservation().GetHolds() {
		s.desk.Locate(each.GetTokenId(), each.GetUpstream())
	}
}
