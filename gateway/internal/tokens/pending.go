package tokens

import (
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxInMessage bounds each list of a message: the store carries one out in one step.
	maxInMessage = 1000
	// maxMessageBytes bounds the reports of a message, and its demands, in bytes. The
	// store takes messages of many times that, and one that is too large would break
	// each session anew.
	maxMessageBytes = 1 << 20
)

// pending is what a session has to say, oldest first.
type pending struct {
	demands   []*tokenstorev1.Demand
	withdrawn []uint64
	reports   []endedReport
	renewals  []*held
}

// endedReport is a report, and when its request ended.
type endedReport struct {
	*tokenstorev1.Report
	at time.Time
}

// onWire says for how long the report has waited.
func (r endedReport) onWire(now time.Time) *tokenstorev1.Report {
	if age := now.Sub(r.at); age >= noticeable {
		r.AgeMs = uint32(min(age.Milliseconds(), math.MaxUint32)) //nolint:gosec // it is not below zero
	}
	return r.Report
}

// empty reports whether there is nothing to say.
func (p *pending) empty() bool {
	return len(p.demands)+len(p.withdrawn)+len(p.reports)+len(p.renewals) == 0
}

// owed counts the reports and renewals.
func (p *pending) owed() int { return len(p.reports) + len(p.renewals) }

// report queues a report, and returns how many old ones were given up for it.
func (p *pending) report(report *tokenstorev1.Report, now time.Time) (lost int) {
	p.reports = append(p.reports, endedReport{report, now})
	p.reports, lost = bounded(p.reports)
	return lost
}

// bounded gives the oldest reports up where there are too many, and some more, so that
// it does not come to this each time.
func bounded[T any](reports []T) (kept []T, lost int) {
	over := len(reports) - maxPending
	if over <= 0 {
		return reports, 0
	}
	lost = over + maxPending/10
	return reports[lost:], lost
}

// renew asks for more time for a lease.
func (p *pending) renew(each *held, now time.Time) {
	p.renewals = append(p.renewals, each)
	each.renewed = now
}

// drop forgets a demand that was not sent.
func (p *pending) drop(id uint64) {
	p.demands = slices.DeleteFunc(p.demands, func(each *tokenstorev1.Demand) bool { return each.GetId() == id })
}

// take moves as much as fits into a message. It returns the reports that the message has, and
// the leases that it renews; those that have been settled since are left out.
func (p *pending) take(message *tokenstorev1.SessionRequest, open map[*lease.Lease]*held, now time.Time) (reports []endedReport, renewed []*held) {
	message.Demands = takeMessages(&p.demands)
	reports = takeMessages(&p.reports)
	for _, each := range reports {
		message.Reports = append(message.Reports, each.onWire(now))
	}
	message.Withdrawn = takeFirst(maxInMessage, &p.withdrawn)
	for _, each := range takeFirst(maxInMessage, &p.renewals) {
		if open[&each.lease] != nil {
			renewed = append(renewed, each)
			message.Renewals = append(message.Renewals, &tokenstorev1.LeaseRef{LeaseId: each.lease.ID, TokenId: each.lease.TokenID, Upstream: each.lease.Upstream})
		}
	}
	return reports, renewed
}

// takeMessages takes from a queue what fits into a message, one at least.
func takeMessages[T proto.Message](queue *[]T) []T {
	n, bytes := 0, 0
	for n < min(len(*queue), maxInMessage) {
		if bytes += proto.Size((*queue)[n]); n > 0 && bytes > maxMessageBytes {
			break
		}
		n++
	}
	return takeFirst(n, queue)
}

// takeFirst takes the first n of a queue, or all.
func takeFirst[T any](n int, queue *[]T) []T {
	if len(*queue) <= n {
		all := *queue
		*queue = nil
		return all
	}
	first := (*queue)[:n:n]
	*queue = (*queue)[n:]
	return first
}
