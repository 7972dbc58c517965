package tokens

import (
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// fakeKey is the account of one key in a store, as the contract describes it.
type fakeKey struct {
	// most is what may be used in all, and at a time.
	most  amounts
	books map[string]*fakeBook
	// stingy: nothing is granted ahead.
	stingy bool
	// forgotten is what books had used before the store knew them.
	forgotten amounts
	ttl       time.Duration
}

type fakeBook struct {
	sequence         uint64
	spent, stated    amounts // stated: granted, as the book knows of it
	granted, holding amounts
	statements       int
}

var bookForm = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

func newFakeKey(most amounts) *fakeKey {
	return &fakeKey{most: most, books: map[string]*fakeBook{}, ttl: 10 * time.Second}
}

// held is what the book has, or will have when it hears of it.
func (b *fakeBook) held() amounts { return b.holding.plus(b.granted).minus(b.stated) }

// used is what all books have used, and held what they have.
func (k *fakeKey) used() (used, held amounts) {
	for _, each := range k.books {
		used, held = used.plus(each.spent), held.plus(each.held())
	}
	return used.minus(k.forgotten), held
}

// room is what can be set aside.
func (k *fakeKey) room() amounts {
	used, held := k.used()
	return k.most.minus(used).minus(held).atLeast(amounts{})
}

// hear takes in a statement, and what the demands of the same message are charged. It tells what
// the book was granted, and which of the demands are not served.
func (k *fakeKey) hear(statement *tokenstorev1.KeyStatement, demands []*tokenstorev1.Demand) (*tokenstorev1.KeyGrant, []*tokenstorev1.Denial) {
	book := k.books[statement.GetBook()]
	if book == nil {
		if !bookForm.MatchString(statement.GetBook()) {
			panic("a book is called " + statement.GetBook())
		}
		book = &fakeBook{spent: amountsFrom(statement.GetSpent())} // what it has used before was counted then
		k.forgotten = k.forgotten.plus(book.spent)
		k.books[statement.GetBook()] = book
	}
	book.statements++
	if statement.GetSequence() > book.sequence { // what comes behind a higher one is ignored
		book.sequence = statement.GetSequence()
		book.spent = book.spent.atLeast(amountsFrom(statement.GetSpent()))
		book.stated = amountsFrom(statement.GetGranted())
		book.granted = book.granted.atLeast(book.stated)
		book.holding = amountsFrom(statement.GetHolding())
	}
	grant := &tokenstorev1.KeyGrant{KeyId: statement.GetKeyId(), Book: statement.GetBook(), Ttl: durationpb.New(k.ttl)}
	var denials []*tokenstorev1.Denial
	for _, demand := range demands {
		most := amountsFrom(demand.GetCharge().GetMost())
		switch used, _ := k.used(); {
		case k.room().cover(most):
			book.granted = book.granted.plus(most)
			grant.DemandIds = append(grant.DemandIds, demand.GetId())
		case k.most.minus(used).cover(most):
			denials = append(denials, &tokenstorev1.Denial{
				DemandId: demand.GetId(), Reason: tokenstorev1.Reason_REASON_KEY_LIMITED, Message: "limited", RetryAfter: durationpb.New(time.Second),
			})
		default:
			denials = append(denials, &tokenstorev1.Denial{DemandId: demand.GetId(), Reason: tokenstorev1.Reason_REASON_KEY_SPENT, Message: "spent"})
		}
	}
	if ahead := amountsFrom(statement.GetAhead()); !k.stingy && k.room().cover(ahead.times(4)) {
		book.granted = book.granted.plus(ahead)
	}
	grant.Granted = book.granted.onWire()
	grant.Standing = k.standing()
	return grant, denials
}

// standing is of two limits: requests in all, and at a time.
func (k *fakeKey) standing() []*tokenstorev1.KeyStanding {
	used, held := k.used()
	of := func(period tokenstorev1.KeyPeriod, unit, used int64) *tokenstorev1.KeyStanding {
		return &tokenstorev1.KeyStanding{
			Limit: &tokenstorev1.KeyLimit{Unit: tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, Period: period, Amount: uint64(k.most[unit])},
			Used:  uint64(used), Reserved: uint64(held[unit]),
		}
	}
	return []*tokenstorev1.KeyStanding{
		of(tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, ofRequests, used[ofRequests]), of(tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE, ofAtOnce, 0),
	}
}

// keyed is an automatic store that has keys, too.
type keyed struct {
	*automatic
	mu   sync.Mutex
	keys map[string]*fakeKey
	// dry: no demand gets a token.
	dry bool
	// later: what demands are charged is told only after their leases.
	later bool
	// away: what is stated is deferred.
	away bool
	// charges counts the demands that had any.
	charges int
	// session is the present one.
	session atomic.Pointer[fakeSession]
	// gate is empty while it is silent. lose: the next answer is lost, and its session ends.
	gate chan struct{}
	lose atomic.Bool
}

func newKeyed(keyID string, key *fakeKey) *keyed {
	k := &keyed{automatic: newAutomatic("a", "b"), keys: map[string]*fakeKey{keyID: key}, gate: make(chan struct{}, 1)}
	k.gate <- struct{}{}
	return k
}

func (k *keyed) serve(s *fakeSession) {
	for m := range s.requests {
		<-k.gate
		k.gate <- struct{}{}
		answers := k.answer(m)
		if len(m.GetDemands()) > 0 && k.lose.CompareAndSwap(true, false) {
			s.breakOff()
			continue
		}
		for _, response := range answers {
			if s.answer(response) != nil {
				return
			}
		}
	}
}

// answer carries a message out: first what it says of keys, then what it asks for.
func (k *keyed) answer(m *tokenstorev1.SessionRequest) []*tokenstorev1.SessionResponse {
	k.mu.Lock()
	defer k.mu.Unlock()
	charges := map[string][]*tokenstorev1.Demand{}
	for _, demand := range m.GetDemands() {
		if charge := demand.GetCharge(); charge != nil {
			k.charges++
			charges[charge.GetKeyId()] = append(charges[charge.GetKeyId()], demand)
		}
	}
	told := &tokenstorev1.SessionResponse{}
	denied := map[uint64]bool{}
	for _, statement := range m.GetKeyStatements() {
		if k.away {
			told.DeferredKeyIds = append(told.DeferredKeyIds, statement.GetKeyId())
			continue
		}
		grant, denials := k.keys[statement.GetKeyId()].hear(statement, charges[statement.GetKeyId()])
		delete(charges, statement.GetKeyId())
		told.KeyGrants = append(told.KeyGrants, grant)
		told.Denials = append(told.Denials, denials...)
		for _, denial := range denials {
			denied[denial.GetDemandId()] = true
		}
	}
	if len(charges) > 0 {
		panic("a charge without a statement of its key")
	}
	var served []*tokenstorev1.Demand
	for _, demand := range m.GetDemands() {
		switch {
		case denied[demand.GetId()]:
		case k.dry:
			told.Denials = append(told.Denials, &tokenstorev1.Denial{DemandId: demand.GetId(), Reason: tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE})
		default:
			served = append(served, demand)
		}
	}
	granted := k.automatic.answer(&tokenstorev1.SessionRequest{Sequence: m.GetSequence(), Demands: served, Reports: m.GetReports()})
	if asked := m.GetReservation(); asked != nil {
		granted.Reserve = &tokenstorev1.Reserve{}
		if len(asked.GetHolds()) == 0 {
			granted.Reserve.Added = []*tokenstorev1.Reserved{reserved("c", 0)}
		}
	}
	if k.later {
		return []*tokenstorev1.SessionResponse{granted, told}
	}
	granted.DeferredKeyIds = told.GetDeferredKeyIds()
	granted.KeyGrants, granted.Denials = told.GetKeyGrants(), append(granted.GetDenials(), told.GetDenials()...)
	return []*tokenstorev1.SessionResponse{granted}
}

// of looks at a key.
func (k *keyed) of(keyID string, look func(key *fakeKey)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	look(k.keys[keyID])
}
