package tokens

import (
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// pool is what demands are for, as requests name it.
type pool struct{ upstream, model string }

// waiter is a demand that has not been answered: a request's, or that of a stock.
type waiter struct {
	pool pool
	// demand has an id once it is asked: those that wait for a stock have none.
	demand *tokenstorev1.Demand
	// answer is where a request waits; buffered. nil: the demand is a stock's.
	answer chan answer
	// filled takes in the leases of a stock's demand. It is called without the session's
	// lock; denied: there are none, and none are to be asked for.
	filled func(leases []*held, denied bool)
	// began is when a request began to wait, and maxWait for how long it is to queue.
	began   time.Time
	maxWait time.Duration
	// any: the demand is for any token, as those of a stock are.
	any bool
	// charge is what the request's key is to be charged with the demand; nil: nothing. held: that
	// is set aside.
	charge *lease.Charge
	held   bool
	// repeated: it was refused for want of what was on its way back, and asked again; it is once.
	repeated bool
	// sent is when the demand went out on the present stream; zero: it has not.
	sent time.Time
}

type answer struct {
	lease *lease.Lease
	err   *chat.Error
	// ahead: the lease comes from the stock.
	ahead bool
	// away: the pool can't be reached, and the request turns to the reserve.
	away bool
}

// newWaiter makes a request's demand. Its texts are made such that they can travel.
func newWaiter(errand errand) *waiter {
	demand := errand.demand
	w := &waiter{
		pool: pool{demand.Upstream, demand.Model}, any: takesAny(demand), answer: make(chan answer, 1), began: errand.began, maxWait: demand.MaxWait,
		demand: &tokenstorev1.Demand{
			Upstream: encodable(demand.Upstream), Model: encodable(demand.Model), Alias: encodable(demand.Alias),
			TokenId: encodable(demand.TokenID), AffinityKey: encodable(demand.Affinity), Count: 1, ExcludeTokenIds: demand.Exclude, MaxWait: durationOf(demand.MaxWait),
			Traceparent: errand.traceparent,
		},
	}
	if charge := demand.Charge; unpaid(charge) {
		w.charge = charge
		w.demand.Charge = &tokenstorev1.Charge{KeyId: charge.KeyID, Most: amountsOf(charge.Most).onWire()}
	}
	return w
}

// owes reports whether the demand's charge has not been set aside.
func (w *waiter) owes() bool { return w.charge != nil && !w.held }

// again makes the demand one that has not been sent. What its key has been charged already it
// does not ask for once more.
func (w *waiter) again() {
	w.demand, w.sent = proto.CloneOf(w.demand), time.Time{}
	if w.held {
		w.demand.Charge = nil
	}
}

// noticeable is how long a request has waited when it matters for its place in a queue.
const noticeable = 10 * time.Millisecond

// age has the demand say how long its request has waited, before it is sent: at a stock,
// in a session that has ended, during an outage.
func (w *waiter) age(now time.Time) {
	if waited := now.Sub(w.began); w.filled == nil && waited >= noticeable {
		w.demand.Waited, w.demand.MaxWait = durationOf(waited), durationOf(w.maxWait-waited)
	}
}

func sizeOfDemand(demand lease.Demand) int {
	size := len(demand.Upstream) + len(demand.Model) + len(demand.Alias) + len(demand.TokenID) + len(demand.Affinity)
	for _, id := range demand.Exclude {
		size += len(id)
	}
	return size
}

// encodable is a text in which what is not UTF-8 is replaced: one that can't be encoded
// would break the session each time that it is said.
func encodable(text string) string { return strings.ToValidUTF8(text, "\ufffd") }
