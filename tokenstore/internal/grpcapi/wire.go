package grpcapi

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

func reportsFrom(reports []*tokenstorev1.Report, replica string) []leasing.Report {
	converted := make([]leasing.Report, len(reports))
	for i, report := range reports {
		converted[i] = reportFrom(report, replica)
	}
	return converted
}

func reportFrom(report *tokenstorev1.Report, replica string) leasing.Report {
	return leasing.Report{
		LeaseRef: leasing.LeaseRef{TokenID: report.GetTokenId(), LeaseID: report.GetLeaseId()},
		Outcome:  report.GetOutcome(), Model: report.GetModel(), RetryAfter: report.GetRetryAfter().AsDuration(),
		Detail: report.GetDetail(), RequestID: report.GetRequestId(), ModelOnly: report.GetModelOnly(), Replica: replica,
		Group: report.GetGroup(), GroupWide: report.GetGroupWide(), Age: time.Duration(report.GetAgeMs()) * time.Millisecond,
	}
}

func appendAnswer(next *tokenstorev1.SessionResponse, id uint64, upstream string, answer leasing.Answer) {
	if answer.Refused != nil {
		denial := denialFrom(id, answer.Refused, answer.Shortage)
		denial.PartAway = answer.PartAway
		next.Denials = append(next.Denials, denial)
		return
	}
	grant := &tokenstorev1.Grant{DemandId: id, Upstream: upstream}
	for _, lease := range answer.Leases {
		granted := leaseOnWire(lease)
		granted.Id, granted.Epoch, granted.Ttl = lease.LeaseID, lease.Epoch(), durationpb.New(lease.TTL)
		grant.Leases = append(grant.Leases, granted)
	}
	next.Grants = append(next.Grants, grant)
}

func denialFrom(id uint64, refused *rpcerr.Error, shortage leasing.Shortage) *tokenstorev1.Denial {
	count := func(n int) uint32 { return uint32(n) } //nolint:gosec // counts of tokens
	denial := denialOf(id, refused)
	denial.Pool = &tokenstorev1.PoolSummary{
		Total: count(shortage.Total), Disabled: count(shortage.Disabled), Expired: count(shortage.Expired),
		Cooling: count(shortage.Cooling), Capped: count(shortage.Capped), Tried: count(shortage.Tried),
		Parked: count(shortage.Parked), Probing: count(shortage.Probing), Quarantined: count(shortage.Quarantined),
	}
	return denial
}

// denialOf is why a demand gets nothing.
func denialOf(id uint64, refused *rpcerr.Error) *tokenstorev1.Denial {
	denial := &tokenstorev1.Denial{DemandId: id, Reason: refused.Reason, Message: refused.Message}
	if refused.RetryAfter > 0 {
		denial.RetryAfter = durationpb.New(refused.RetryAfter)
	}
	return denial
}

// leaseOnWire is what a lease carries of its token.
func leaseOnWire(lease leasing.Lease) *tokenstorev1.Lease {
	return &tokenstorev1.Lease{
		TokenId: lease.TokenID, Secret: lease.Secret.Reveal(), DeviceId: lease.DeviceID, MacHash: lease.MACHash,
		Alias: lease.Alias, Fingerprint: lease.Fingerprint, Capped: lease.Capped, MaskedSecret: lease.Masked,
		Proxy: lease.Proxy.Reveal(), Renewable: lease.Renewable,
	}
}
