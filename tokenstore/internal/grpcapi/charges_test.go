package grpcapi_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/ledger"
	"carousel.internal/tokenstore/internal/testredis"
)

const (
	theKey     = "aaaabbbbccccdddd"
	anotherKey = "aaaabbbbccccdde2"
)

// parallel is a key whose requests at a time are limited.
func parallel(id string, amount uint64) *tokenstorev1.ClientKey {
	return &tokenstorev1.ClientKey{Id: id, Limits: []*tokenstorev1.KeyLimit{
		{Unit: tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE, Amount: amount},
	}}
}

func one() *tokenstorev1.KeyAmounts {
	return &tokenstorev1.KeyAmounts{Requests: 1, Tokens: 100, Cost: 1 << 40, AtOnce: 1}
}

func demandOf(id uint64, key string) *tokenstorev1.Demand {
	return &tokenstorev1.Demand{Id: id, Upstream: "cursor", Model: "m", Count: 1, Charge: &tokenstorev1.Charge{KeyId: key, Most: one()}}
}

// state sends a statement of a book with demands.
func (r *replica) state(statement *tokenstorev1.KeyStatement, demands ...*tokenstorev1.Demand) {
	r.t.Helper()
	r.send(&tokenstorev1.SessionRequest{KeyStatements: []*tokenstorev1.KeyStatement{statement}, Demands: demands})
}

func statement(book string, sequence uint64) *tokenstorev1.KeyStatement {
	return &tokenstorev1.KeyStatement{KeyId: theKey, Book: book, Sequence: sequence}
}

// A charge that is granted is told before the lease is; one that finds no room is denied with the
// limit that has none, and asks for no token.
func TestChargesOfASession(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	s.ledgers.put(parallel(theKey, 1))
	r := s.session(t)
	r.state(statement("b1", 1), demandOf(1, theKey), demandOf(2, theKey), &tokenstorev1.Demand{Id: 3, Upstream: "cursor", Model: "m", Count: 1})
	if leases, denial := r.answer(1); len(leases) != 1 {
		t.Fatal(denial)
	}
	if leases, denial := r.answer(3); len(leases) != 1 {
		t.Fatal("a demand without a charge:", denial)
	}
	_, denial := r.answer(2)
	if denial.GetReason() != tokenstorev1.Reason_REASON_KEY_LIMITED || denial.GetRetryAfter().AsDuration() != time.Second ||
		denial.GetKeyStanding().GetReserved() != 1 || !strings.Contains(denial.GetMessage(), "1 request at a time") {
		t.Errorf("denied with %v", denial)
	}
	grant := r.said.GetKeyGrants()[0]
	if grant.GetBook() != "b1" || grant.GetGranted().GetAtOnce() != 1 || grant.GetGranted().GetCost() != 1<<40 || !slices.Equal(grant.GetDemandIds(), []uint64{1}) ||
		grant.GetTtl().AsDuration() != leaseTTL || grant.GetStanding()[0].GetReserved() != 1 {
		t.Errorf("granted %v", grant)
	}
	if got := s.openLeases(t, "t0"); got != 2 {
		t.Errorf("%d leases, want 2", got)
	}
}

// A session of its own begins with the news that all keys may have been changed, and hears of
// each that is.
func TestChangedKeysAreTold(t *testing.T) {
	t.Parallel()
	s := startLeases(t)
	r := s.session(t)
	if got := r.said.GetChangedKeyIds(); !slices.Equal(got, []string{""}) {
		t.Errorf("begins with %q", got)
	}
	r.said.Reset()
	s.server.KeyChanged(theKey)
	r.until("the key", func() bool { return slices.Contains(r.said.GetChangedKeyIds(), theKey) })
}

// A charge that lacks what another replica has set aside waits: all are asked for it, and it is
// granted as soon as that one gives it back.
func TestAChargeWaitsForAnAllowance(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	s.ledgers.put(parallel(theKey, 1))
	s.server.SetPatience(testredis.Timeout)
	holder, asker := s.session(t), s.session(t)
	holder.state(statement("b1", 1), demandOf(1, theKey))
	if leases, denial := holder.answer(1); len(leases) != 1 {
		t.Fatal(denial)
	}
	asker.state(statement("b2", 1), demandOf(1, theKey))
	for _, each := range []*replica{holder, asker} {
		each.until("that it is wanted", func() bool { return slices.Contains(each.said.GetWantedKeyIds(), theKey) })
	}
	back := statement("b1", 2)
	back.Granted = one()
	holder.state(back)
	if leases, denial := asker.answer(1); len(leases) != 1 {
		t.Fatal("it was not granted in time:", denial)
	}
	last := asker.said.GetKeyGrants()[len(asker.said.GetKeyGrants())-1]
	if !slices.Equal(last.GetDemandIds(), []uint64{1}) || last.GetGranted().GetAtOnce() != 1 {
		t.Errorf("granted %v", last)
	}
}

// A charge that waits may find its room with a statement of its own session, and is served like
// those that come with it.
func TestAChargeWaitsForItsOwnReplica(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	s.ledgers.put(parallel(theKey, 2))
	s.server.SetPatience(testredis.Timeout)
	holder, asker := s.session(t), s.session(t)
	holder.state(statement("b1", 1), demandOf(1, theKey))
	holder.answer(1)
	asker.state(statement("b2", 1), demandOf(1, theKey), demandOf(2, theKey))
	asker.answer(1)
	asker.until("the other one waits", func() bool { return slices.Contains(asker.said.GetWantedKeyIds(), theKey) })
	back := statement("b2", 2)
	back.Granted = one()
	asker.state(back)
	if leases, denial := asker.answer(2); len(leases) != 1 {
		t.Fatal(denial)
	}
}

// Nobody gives anything back: the charge is denied after its patience, or at once where that ended
// in a session before.
func TestAChargeWaitsNotForLong(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	s.ledgers.put(parallel(theKey, 1))
	holder, asker := s.session(t), s.session(t)
	holder.state(statement("b1", 1), demandOf(1, theKey))
	holder.answer(1)
	began := time.Now()
	asker.state(statement("b2", 1), demandOf(1, theKey))
	if _, denial := asker.answer(1); denial.GetReason() != tokenstorev1.Reason_REASON_KEY_LIMITED || time.Since(began) < 250*time.Millisecond {
		t.Errorf("after %s: %v", time.Since(began), denial)
	}
	s.server.SetPatience(time.Hour)
	next, waited := s.session(t), demandOf(1, theKey)
	waited.Waited = durationpb.New(time.Hour)
	next.state(statement("b2", 2), waited)
	if leases, denial := next.answer(1); denial == nil {
		t.Errorf("granted %v", leases)
	}
}

// A demand that is withdrawn while its charge waits is not answered, and nothing is set aside.
func TestAChargeThatWaitsIsWithdrawn(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	s.ledgers.put(parallel(theKey, 1))
	s.server.SetPatience(testredis.Timeout)
	holder, asker := s.session(t), s.session(t)
	holder.state(statement("b1", 1), demandOf(1, theKey))
	holder.answer(1)
	asker.state(statement("b2", 1), demandOf(1, theKey))
	sequence := asker.send(&tokenstorev1.SessionRequest{Withdrawn: []uint64{1}})
	asker.until("the withdrawal", func() bool { return asker.said.GetAcknowledged() == sequence })
	back := statement("b1", 2)
	back.Granted = one()
	holder.state(back)
	asker.state(statement("b2", 2), demandOf(2, theKey))
	if leases, denial := asker.answer(2); len(leases) != 1 {
		t.Fatal(denial)
	}
	if len(asker.said.GetGrants()) != 1 || len(asker.said.GetDenials()) != 0 {
		t.Errorf("answered %v", &asker.said)
	}
}

// A key that can't be used any more pays for nothing; what its requests have used still counts.
func TestKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	expired := parallel(theKey, 5)
	expired.ExpiresAt = timestamppb.New(time.Now().Add(-time.Second))
	disabled := parallel(theKey, 5)
	disabled.Disabled = true
	for name, test := range map[string]struct {
		key  *tokenstorev1.ClientKey
		says string
	}{
		"disabled": {disabled, "disabled"},
		"expired":  {expired, "expired"},
		"deleted":  {nil, "deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startLeases(t, 0)
			if test.key != nil {
				s.ledgers.put(test.key)
			}
			r := s.session(t)
			r.state(statement("b1", 1), demandOf(1, theKey))
			_, denial := r.answer(1)
			if denial.GetReason() != tokenstorev1.Reason_REASON_KEY_UNUSABLE || !strings.Contains(denial.GetMessage(), test.says) {
				t.Errorf("denied with %v", denial)
			}
			if test.key != nil {
				r.until("its statement counts", func() bool { return len(r.said.GetKeyGrants()) == 1 })
			}
		})
	}
}

// What a demand or a statement may not be.
func TestMalformedCharges(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	s.ledgers.put(parallel(theKey, 5))
	r := s.session(t)
	r.state(statement("b1", 1), demandOf(1, anotherKey))
	if _, denial := r.answer(1); denial.GetReason() != tokenstorev1.Reason_REASON_INVALID_ARGUMENT {
		t.Errorf("without a statement: %v", denial)
	}
	several := demandOf(2, theKey)
	several.Count = 2
	r.state(statement("b1", 2), several)
	if _, denial := r.answer(2); denial.GetReason() != tokenstorev1.Reason_REASON_INVALID_ARGUMENT {
		t.Errorf("of two leases: %v", denial)
	}
	for name, odd := range map[string]*tokenstorev1.KeyStatement{
		"a key's id":  {KeyId: "x} y", Book: "b", Sequence: 1},
		"a book":      {KeyId: theKey, Book: "b 1", Sequence: 1},
		"its number":  {KeyId: theKey, Book: "b"},
		"no book":     {KeyId: theKey, Sequence: 1},
		"a long book": {KeyId: theKey, Book: strings.Repeat("b", 65), Sequence: 1},
	} {
		r := s.session(t)
		r.state(odd)
		if err := r.end(); !rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The answer to a charge is lost with the session. The next one says the demand again, and is
// granted it, though the limit has no room but for the first.
func TestAChargeThatIsSaidAgain(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	s.ledgers.put(parallel(theKey, 1))
	lost := s.session(t)
	lost.state(statement("b1", 1), demandOf(1, theKey))
	lost.answer(1)
	lost.cancel()
	next := s.session(t)
	next.state(statement("b1", 2), demandOf(1, theKey))
	if leases, denial := next.answer(1); len(leases) != 1 {
		t.Fatal(denial)
	}
	if got := next.said.GetKeyGrants()[0].GetGranted(); got.GetAtOnce() != 1 {
		t.Errorf("all that was granted: %v", got)
	}
}

// A message whose statements can't be taken in is not confirmed: the replica says it again.
func TestAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	s.ledgers.put(parallel(theKey, 1))
	r := s.session(t)
	s.ledgers.failOf(theKey, rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "Redis is away"))
	r.state(statement("b1", 1), demandOf(1, theKey))
	if err := r.end(); !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
		t.Error(err)
	}
}

// All charges of a key in a message are decided in one step for each 256 of them.
func TestManyChargesInAMessage(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	s.ledgers.put(parallel(theKey, 299))
	r := s.session(t)
	var demands []*tokenstorev1.Demand
	for id := range uint64(300) {
		demands = append(demands, demandOf(id+1, theKey))
	}
	r.state(statement("b1", 1), demands...)
	if leases, denial := r.answer(299); len(leases) != 1 {
		t.Error(denial)
	}
	if _, denial := r.answer(300); denial.GetReason() != tokenstorev1.Reason_REASON_KEY_LIMITED {
		t.Errorf("the 300th: %v", denial)
	}
	if got := s.ledgers.posted(); got != 2 {
		t.Errorf("%d postings, want 2", got)
	}
}

// Keys do not depend on one another: of a message each has its own statement and charges, and one
// whose ledger takes none is refused alone.
func TestSeveralKeysInAMessage(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	r := s.session(t)
	request := &tokenstorev1.SessionRequest{}
	for i := range 40 {
		id := theKey[:14] + string([]byte{byte('a' + i/20), byte('a' + i%20)})
		s.ledgers.put(parallel(id, 1))
		request.KeyStatements = append(request.KeyStatements, &tokenstorev1.KeyStatement{KeyId: id, Book: "b", Sequence: 1})
		request.Demands = append(request.Demands, demandOf(uint64(2*i+1), id), demandOf(uint64(2*i+2), id))
	}
	full := request.GetKeyStatements()[7].GetKeyId()
	s.ledgers.failOf(full, ledger.ErrCrowded)
	r.send(request)
	for i := range uint64(40) {
		leases, _ := r.answer(2*i + 1)
		_, denial := r.answer(2*i + 2)
		if (len(leases) == 1) != (i != 7) || denial == nil {
			t.Errorf("key %d: %v, %v", i, leases, denial)
		}
	}
	r.until("a grant each but of one", func() bool { return len(r.said.GetKeyGrants()) == 39 })
}
