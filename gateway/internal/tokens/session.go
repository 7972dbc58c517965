package tokens

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// maxPending bounds the reports that wait while the store is away. Beyond it
	// the oldest are given up: their leases return at their expiry.
	maxPending = 50_000
	// recallMemory is how long a recall is remembered: a grant that was made
	// before it may come after it.
	recallMemory = 10 * time.Second
	// renewEvery is how often open leases are looked at.
	renewEvery = 500 * time.Millisecond
)

// session is the conversation with the store: what is to be said to it, and what it
// has not answered or confirmed yet. It goes on over the streams that carry it, one
// after the other. Demands go out at once; reports wait briefly to travel together.
type session struct {
	client  tokenstorev1.LeaseServiceClient
	replica string
	log     *slog.Logger
	observe Observer
	// stocks, reserve and books are told what the store says of them. The stocks are called
	// without mu, and so is the reserve but for what it has to say.
	stocks  sessionStocks
	reserve sessionReserve
	books   sessionBooks
	// keysChanged is told which client keys have changed; an empty id is all of them. It is
	// called without mu; nil: nobody wants to know.
	keysChanged func(keyID string)
	// kick has the stream send now. roused has it look after things as often as when it is busy:
	// it does so rarely while it is calm.
	kick, roused chan struct{}
	calm         atomic.Bool

	mu sync.Mutex
	// nextID numbers the demands; waiting has those that are not answered, by id.
	nextID  uint64
	waiting map[uint64]*waiter
	// open has the leases that requests have, by what Acquire returned.
	open map[*lease.Lease]*held
	// ttl is how long the store's leases live once they are renewed, as far as known.
	ttl time.Duration
	// recalled says below which epoch the leases of a token must not be used any more.
	recalled map[string]recalled
	// hurried is until when each end of a lease of an upstream is told at once, by the upstream:
	// others wait for its slots.
	hurried map[string]time.Time
	// pending is what is to be said. later are reports, and laterKeys keys with statements, that
	// the store has deferred: they are said again with the next look at what is open.
	pending   pending
	later     []endedReport
	laterKeys []string
	// progress is how far the present stream has come.
	progress progress
}

// sessionStocks are the stocks as the session knows them.
type sessionStocks interface {
	// topUp demands what the stocks lack, in a message that goes out anyway.
	topUp(now time.Time)
	// tend lets go of what the load does not need.
	tend(now time.Time) (ready int)
	// heard tells that the store has granted a lease of any token, and whether that has room
	// for few.
	heard(of pool, capped bool)
	// busy reports whether there is anything to tend.
	busy() bool
	recall(tokenID string, below uint64)
	// wanted gives back what there is of an upstream, and takes nothing ahead of it for a while:
	// others wait for its slots.
	wanted(upstream string)
	// empty gives everything back.
	empty()
}

// sessionReserve is the reserve as the session knows it.
type sessionReserve interface {
	// due reports whether a reservation is to be sent; quiet: nothing else has been said for long.
	due(now time.Time, quiet bool) bool
	// say returns the reservation that is due, nil for none, and as many reports of
	// what the reserve was used for as a message holds.
	say(now time.Time) (*tokenstorev1.Reservation, []*tokenstorev1.ReserveReport)
	// unsaid tells whether there are reports that can be sent now; left counts all that have not
	// been.
	unsaid() bool
	left() int
	// renew begins anew on another stream: what that before has not confirmed is to be
	// sent again.
	renew(again []*tokenstorev1.ReserveReport)
	// again has uses that the store has deferred be sent again, once their pools are back.
	again(uses []*tokenstorev1.ReserveReport)
	// leave gives everything up, since the process ends.
	leave()
	recall(tokenID string, below uint64)
	// hear takes in a response, every one of which shows that the store is there.
	hear(response *tokenstorev1.SessionResponse, now time.Time)
	// begin begins an outage, and reports whether there is one now.
	begin(why error) bool
	// beginOf begins an outage of the pool of one upstream.
	beginOf(upstream string, why error)
	// keeps reports whether there is ever anything in reserve.
	keeps() bool
	// reset breaks the connection to an address.
	reset(addr net.Addr)
}

// sessionBooks are the books as the session knows them. Its methods may be called while mu is
// held.
type sessionBooks interface {
	// due reports whether a statement is to be sent.
	due() bool
	// busy reports whether any is in use.
	busy(now time.Time) bool
	// say returns statements of the keys that demands charge, and of as many others that are
	// due as a message holds.
	say(now time.Time, demands []*tokenstorev1.Demand) []*tokenstorev1.KeyStatement
	// confirm notes that the store has carried out statements, but for those of some keys, which it
	// has deferred.
	confirm(statements []*tokenstorev1.KeyStatement, deferred map[string]bool)
	// take takes in what a key was granted, and charges it with that of the demands that it is
	// for; false where this process has no such book.
	take(grant *tokenstorev1.KeyGrant, charges []*lease.Charge) bool
	// draw charges a request to what is at hand, and reports whether that suffices.
	draw(charge *lease.Charge) bool
	// returnedSince reports whether something held ahead of a request's key has been given back
	// since its demand was sent: the store may have refused it for want of just that.
	returnedSince(charge *lease.Charge, sent time.Time) bool
	// hold charges a request whose lease has come before anything else of its grant.
	hold(charge *lease.Charge)
	// resume begins anew in another session, and again makes the statements of some keys anew.
	resume()
	again(keyIDs []string)
	// giveBack gives back what is held ahead of keys, and takes nothing ahead for a while. An
	// empty id is of all keys.
	giveBack(keyIDs []string, pause time.Duration)
	// tend measures the load over a window and lets go of what it does not need.
	tend(now time.Time, window time.Duration)
}

// recalled says which leases of a token must not be used any more.
type recalled struct {
	below uint64
	at    time.Time
}

func newSession(client tokenstorev1.LeaseServiceClient, replica string, observe Observer, log *slog.Logger) *session {
	return &session{
		client: client, replica: replica, log: log, observe: observe, kick: make(chan struct{}, 1), roused: make(chan struct{}, 1),
		waiting: map[uint64]*waiter{}, open: map[*lease.Lease]*held{}, recalled: map[string]recalled{}, hurried: map[string]time.Time{},
	}
}

// nudge has the session send now. It takes no lock.
func (s *session) nudge() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// rouse tells that there is something to be said with the next messages. It takes no lock.
func (s *session) rouse() {
	if s.calm.Load() {
		select {
		case s.roused <- struct{}{}:
		default:
		}
	}
}

// ask queues a new demand.
func (s *session) ask(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue(w)
}

// queue gives a demand a number, and has it sent; mu is held.
func (s *session) queue(w *waiter) {
	s.nextID++
	w.demand.Id = s.nextID
	s.waiting[s.nextID] = w
	s.pending.demands = append(s.pending.demands, w.demand)
}

// withdraw gives a demand up. If its lease was on the way, it goes back.
func (s *session) withdraw(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := w.demand.GetId(); s.waiting[id] == w {
		delete(s.waiting, id)
		if w.sent.IsZero() {
			s.pending.drop(id)
		} else {
			s.pending.withdrawn = append(s.pending.withdrawn, id)
		}
	}
	select {
	case got := <-w.answer:
		if got.lease != nil {
			s.giveBackOpen(got.lease)
		}
	default:
	}
	s.nudge()
}

// hand has a request use a lease from now on.
func (s *session) hand(each *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[&each.lease] = each
}

// settle ends a request's lease; false where it is none of the session's.
func (s *session) settle(done *lease.Lease, report *tokenstorev1.Report) bool {
	s.mu.Lock()
	was := s.open[done]
	hurried := false
	if was != nil {
		delete(s.open, done)
		s.report(report)
		hurried = len(s.hurried) > 0 && time.Now().Before(s.hurried[was.lease.Upstream])
	}
	s.mu.Unlock()
	if was == nil {
		return false
	}
	// Somebody may be waiting for the room under the cap; and a failure should
	// be known before the token is picked again.
	if was.capped || hurried || report.GetOutcome() != tokenstorev1.Outcome_OUTCOME_SUCCESS {
		s.nudge()
	} else {
		s.rouse()
	}
	return true
}

// report queues a report; mu is held.
func (s *session) report(report *tokenstorev1.Report) {
	if lost := s.pending.report(report, time.Now()); lost > 0 {
		s.observe.ReportsLost(lost)
	}
}

// giveBack returns leases that no request has.
func (s *session) giveBack(unused ...*held) {
	if len(unused) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, each := range unused {
		s.report(unusedReport(&each.lease))
	}
}

// giveBackOpen returns a lease that was for a request; mu is held.
func (s *session) giveBackOpen(unused *lease.Lease) {
	if s.open[unused] != nil {
		delete(s.open, unused)
		s.report(unusedReport(unused))
	}
}

// works reports whether a stream is open and the store has said something on it.
func (s *session) works() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.progress.heard
}

// followUps are what a response leaves to be done without the lock.
type followUps []func()

// hear takes in what the store says.
func (s *session) hear(response *tokenstorev1.SessionResponse) {
	now := time.Now()
	s.mu.Lock()
	s.progress.heard = true
	if s.progress.stalled {
		s.progress.stalled = false
		s.nudge()
	}
	away := setOf(response.GetReserve().GetAwayUpstreams())
	confirmed := s.progress.confirmed // what comes in this message may be older than what it confirms
	for _, recall := range response.GetRecalls() {
		s.noteRecall(recall, now)
	}
	s.loseOpen(response.GetLostLeaseIds())
	s.books.giveBack(response.GetChangedKeyIds(), 0)
	for _, grant := range response.GetKeyGrants() {
		s.charged(grant)
	}
	s.laterKeys = append(s.laterKeys, response.GetDeferredKeyIds()...)
	s.confirm(response, away, now)
	s.renewAll(away)
	s.books.giveBack(response.GetWantedKeyIds(), keyWantedPause)
	for _, upstream := range response.GetWanted() {
		s.hurried[upstream] = now.Add(hurryFor)
		s.nudge() // what has been freed may be waiting for others to travel with
	}
	var later followUps
	for _, grant := range response.GetGrants() {
		later = s.granted(grant, confirmed, now, later)
	}
	for _, denial := range response.GetDenials() {
		later = s.denied(denial, later)
	}
	s.mu.Unlock()

	for _, recall := range response.GetRecalls() {
		s.stocks.recall(recall.GetTokenId(), recall.GetEpoch())
		s.reserve.recall(recall.GetTokenId(), recall.GetEpoch())
	}
	for _, upstream := range response.GetWanted() {
		s.stocks.wanted(upstream)
	}
	for upstream := range away {
		s.stocks.wanted(upstream)
	}
	for _, id := range response.GetChangedKeyIds() {
		if s.keysChanged != nil {
			s.keysChanged(id)
		}
	}
	for _, act := range later {
		act()
	}
	s.reserve.hear(response, now)
}

// charged takes in what a key has been granted, for those of its demands that still wait; mu is
// held. What is for others is there for requests to come.
func (s *session) charged(grant *tokenstorev1.KeyGrant) {
	var whose []*waiter
	var charges []*lease.Charge
	for _, id := range grant.GetDemandIds() {
		if w := s.waiting[id]; w != nil && w.owes() && w.charge.KeyID == grant.GetKeyId() {
			whose, charges = append(whose, w), append(charges, w.charge)
		}
	}
	if s.books.take(grant, charges) {
		for _, w := range whose {
			w.held = true
		}
	}
}

// noteRecall remembers a recall for the grants that it has overtaken, and withdraws the leases
// that requests have; mu is held.
func (s *session) noteRecall(recall *tokenstorev1.Recall, now time.Time) {
	id := recall.GetTokenId()
	if id == "" {
		return
	}
	s.recalled[id] = recalled{below: max(recall.GetEpoch(), s.recalled[id].below), at: now}
	for _, each := range s.open {
		if each.lease.TokenID == id && each.epoch < recall.GetEpoch() {
			each.term.Withdraw()
		}
	}
}

// loseOpen notes that leases have expired at the store: their requests go on, but
// no other is to be sent with them; mu is held.
func (s *session) loseOpen(ids []string) {
	if len(ids) == 0 {
		return
	}
	s.observe.Lost(len(ids))
	s.log.LogAttrs(context.Background(), slog.LevelWarn, "open leases were lost; their requests go on", slog.Any("lease_ids", ids))
	lost := setOf(ids)
	for _, each := range s.open {
		if lost[each.lease.ID] {
			each.lost = true
			each.term.Extend(time.Time{})
		}
	}
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// confirm takes in what the store has carried out: reports need not be repeated, and
// renewed leases hold, counted from when that was asked for. What it has deferred is to be said
// again, and its upstreams are away; mu is held.
func (s *session) confirm(response *tokenstorev1.SessionResponse, away map[string]bool, now time.Time) {
	acknowledged, deferred, deferredKeys := response.GetAcknowledged(), setOf(response.GetDeferredLeaseIds()), setOf(response.GetDeferredKeyIds())
	for len(s.progress.unconfirmed) > 0 && s.progress.unconfirmed[0].sequence <= acknowledged {
		done := s.progress.unconfirmed[0]
		for _, each := range done.renewals {
			if deferred[each.lease.ID] {
				each.renewed = time.Time{}
				away[each.lease.Upstream] = true
				continue
			}
			if each.lost {
				continue
			}
			if s.ttl > 0 { // one that was taken ahead lives longer from now on
				each.ttl = s.ttl
			}
			each.term.Extend(done.at.Add(each.ttl))
		}
		s.postpone(done.reports, deferred, away)
		s.postponeUses(done.uses, response.GetDeferredUses())
		s.books.confirm(done.statements, deferredKeys)
		s.progress.confirmed = done.at
		s.progress.unconfirmed = s.progress.unconfirmed[1:]
	}
	s.progress.acknowledge(acknowledged, now)
}

// postpone keeps the reports that the store has deferred; mu is held.
func (s *session) postpone(reports []endedReport, deferred, away map[string]bool) {
	if len(deferred) == 0 {
		return
	}
	for _, each := range reports {
		if deferred[each.GetLeaseId()] {
			s.later = append(s.later, each)
			away[each.GetUpstream()] = true
		}
	}
	var lost int
	if s.later, lost = bounded(s.later); lost > 0 {
		s.observe.ReportsLost(lost)
	}
}

// postponeUses is postpone for uses of the reserve.
func (s *session) postponeUses(uses []*tokenstorev1.ReserveReport, deferred []uint64) {
	if len(deferred) == 0 {
		return
	}
	s.reserve.again(slices.DeleteFunc(uses, func(each *tokenstorev1.ReserveReport) bool { return !slices.Contains(deferred, each.GetNumber()) }))
}

// renewAll has the open leases of upstreams be renewed, until that succeeds: the server that comes
// back may have lost what it was told last; mu is held.
func (s *session) renewAll(of map[string]bool) {
	if len(of) == 0 {
		return
	}
	for _, each := range s.open {
		if of[each.lease.Upstream] {
			each.renewed = time.Time{}
		}
	}
}

// sayAgain has what was deferred be said again; mu is held.
func (s *session) sayAgain() {
	var lost int
	if s.pending.reports, lost = bounded(append(s.later, s.pending.reports...)); lost > 0 {
		s.observe.ReportsLost(lost)
	}
	s.books.again(s.laterKeys)
	s.later, s.laterKeys = nil, nil
}

// granted hands the leases to whom they are for; mu is held. A lease counts from when
// the store is known to have been silent about it: from when its demand was sent, or
// from the newest message that was confirmed before. A process that was frozen reads
// grants as old as the freeze.
func (s *session) granted(grant *tokenstorev1.Grant, confirmed, now time.Time, later followUps) followUps {
	w := s.waiting[grant.GetDemandId()]
	delete(s.waiting, grant.GetDemandId())
	if w != nil && w.owes() { // there are no leases without
		s.books.hold(w.charge)
		w.held = true
	}
	since := confirmed
	if w != nil && w.sent.After(since) {
		since = w.sent
	}
	var usable []*held
	overtaken := false
	for _, granted := range grant.GetLeases() {
		each := heldFrom(granted, grant.GetUpstream(), since, now)
		switch {
		case w == nil: // withdrawn
			s.report(unusedReport(&each.lease))
			s.nudge() // there may be somebody to whom it goes next
		case each.epoch < s.recalled[each.lease.TokenID].below:
			s.report(unusedReport(&each.lease))
			overtaken = true
		case w.filled == nil && len(usable) > 0: // more than was asked for
			s.report(unusedReport(&each.lease))
		default:
			usable = append(usable, each)
		}
	}
	switch {
	case w == nil:
	case w.filled != nil:
		return append(later, func() { w.filled(usable, false) })
	case len(usable) > 0:
		s.ttl = usable[0].ttl
		s.open[&usable[0].lease] = usable[0]
		w.answer <- answer{lease: &usable[0].lease}
		if w.any {
			return append(later, func() { s.stocks.heard(w.pool, usable[0].capped) })
		}
	case overtaken: // by a recall: ask again
		s.askAgain(w)
	}
	return later
}

// askAgain queues a demand once more; mu is held.
func (s *session) askAgain(w *waiter) {
	w.again()
	s.queue(w)
	s.nudge()
}

// isOfKey tells whether a demand was denied for want of room in its key.
func isOfKey(reason tokenstorev1.Reason) bool {
	return reason == tokenstorev1.Reason_REASON_KEY_LIMITED || reason == tokenstorev1.Reason_REASON_KEY_SPENT
}

// denied tells who asked; mu is held.
func (s *session) denied(denial *tokenstorev1.Denial, later followUps) followUps {
	w := s.waiting[denial.GetDemandId()]
	delete(s.waiting, denial.GetDemandId())
	switch {
	case w == nil:
		return later
	case w.filled != nil:
		return append(later, func() { w.filled(nil, true) })
	case w.owes() && isOfKey(denial.GetReason()) && s.books.draw(w.charge): // what it asked for before has come
		w.held = true
		s.askAgain(w)
		return later
	case w.owes() && isOfKey(denial.GetReason()) && !w.repeated && s.books.returnedSince(w.charge, w.sent):
		w.repeated = true
		s.askAgain(w)
		return later
	case denial.GetPartAway() && !w.owes() && s.reserve.keeps():
		refused := errorOfDenial(denial, w.demand)
		return append(later, func() {
			s.reserve.beginOf(w.pool.upstream, refused)
			w.answer <- answer{away: true}
		})
	case denial.GetReason() == tokenstorev1.Reason_REASON_STORE_UNAVAILABLE && !denial.GetPartAway() && s.reserve.keeps():
		refused := errorOfDenial(denial, w.demand)
		return append(later, func() {
			if !s.reserve.begin(refused) { // else it turns to the reserve
				w.answer <- answer{err: refused}
			}
		})
	default:
		w.answer <- answer{err: errorOfDenial(denial, w.demand)}
		return later
	}
}

// renewAging asks for more time for the leases that have used up half of theirs, and
// forgets old recalls and hurries.
func (s *session) renewAging(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sayAgain()
	for _, each := range s.open {
		if now.Sub(each.renewed) > each.ttl/2-renewEvery {
			s.pending.renew(each, now)
		}
	}
	for id, each := range s.recalled {
		if now.Sub(each.at) > recallMemory {
			delete(s.recalled, id)
		}
	}
	maps.DeleteFunc(s.hurried, func(_ string, until time.Time) bool { return !now.Before(until) })
}
