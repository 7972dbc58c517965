package grpcapi

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Recalls of a replica that reads slowly don't pile up: the last one counts.
func TestRecallsAreMerged(t *testing.T) {
	t.Parallel()
	o := newOutbox()
	for epoch := range uint64(1000) {
		o.recall("a", epoch)
		o.recall("b", 1000-epoch)
	}
	recalls := o.take().GetRecalls()
	if len(recalls) != 2 || recalls[0].GetEpoch() != 999 || recalls[1].GetEpoch() != 1000 {
		t.Errorf("%v", recalls)
	}
	o.recall("a", 7)
	if recalls := o.take().GetRecalls(); len(recalls) != 1 || recalls[0].GetEpoch() != 7 {
		t.Errorf("then %v", recalls)
	}
}

// Grants of one book don't pile up either: the last total counts, and all demands are named.
func TestKeyGrantsAreMerged(t *testing.T) {
	t.Parallel()
	o := newOutbox()
	grant := func(book string, requests uint64, demands ...uint64) {
		o.keyGrant(&tokenstorev1.KeyGrant{KeyId: "k", Book: book, Granted: &tokenstorev1.KeyAmounts{Requests: requests}, DemandIds: demands})
	}
	grant("a", 1, 10)
	grant("b", 5)
	grant("a", 3, 11, 12)
	grants := o.take().GetKeyGrants()
	if len(grants) != 2 || grants[0].GetGranted().GetRequests() != 3 || !slices.Equal(grants[0].GetDemandIds(), []uint64{10, 11, 12}) {
		t.Errorf("%v", grants)
	}
	grant("a", 4)
	if grants := o.take().GetKeyGrants(); len(grants) != 1 || grants[0].GetGranted().GetRequests() != 4 {
		t.Errorf("then %v", grants)
	}
}

// So many changed keys that they can't be named are all keys.
func TestChangedKeysAreBounded(t *testing.T) {
	t.Parallel()
	o := newOutbox()
	for i := range maxChangedKeys {
		o.keyChanged(strconv.Itoa(i))
		o.keyChanged(strconv.Itoa(i))
	}
	if changed := o.take().GetChangedKeyIds(); len(changed) != maxChangedKeys {
		t.Errorf("%d are named", len(changed))
	}
	for i := range maxChangedKeys + 2 {
		o.keyChanged(strconv.Itoa(i))
	}
	if changed := o.take().GetChangedKeyIds(); !slices.Equal(changed, []string{""}) {
		t.Errorf("%d are named", len(changed))
	}
}

func TestAClosedOutbox(t *testing.T) {
	t.Parallel()
	o := newOutbox()
	acknowledge := func(next *tokenstorev1.SessionResponse) { next.Acknowledged = 3 }
	if !o.add(acknowledge) {
		t.Error("refused while open")
	}
	o.close()
	o.close()
	if o.add(acknowledge) {
		t.Error("taken when closed")
	}
	if unsent := o.take(); unsent.GetAcknowledged() != 3 {
		t.Errorf("unsent: %v", unsent)
	}
	if err := o.drain(func(*tokenstorev1.SessionResponse) error { return errors.New("sent") }); err != nil {
		t.Error(err)
	}
}

// What an outbox has when it is finished is sent; nothing comes after it.
func TestAFinishedOutbox(t *testing.T) {
	t.Parallel()
	o := newOutbox()
	acknowledge := func(n uint64) func(*tokenstorev1.SessionResponse) {
		return func(next *tokenstorev1.SessionResponse) { next.Acknowledged = n }
	}
	o.add(acknowledge(3))
	o.finish()
	o.finish()
	if o.add(acknowledge(4)) {
		t.Error("taken when finished")
	}
	var sent []uint64
	err := o.drain(func(message *tokenstorev1.SessionResponse) error {
		sent = append(sent, message.GetAcknowledged())
		return nil
	})
	if err != nil || len(sent) != 1 || sent[0] != 3 {
		t.Errorf("sent %v, %v", sent, err)
	}
	o.close() // a finished one may be closed
}

func TestASendThatFailsEndsTheDrain(t *testing.T) {
	t.Parallel()
	o := newOutbox()
	o.add(func(next *tokenstorev1.SessionResponse) { next.Grants = []*tokenstorev1.Grant{{DemandId: 1}} })
	broken := errors.New("broken")
	if err := o.drain(func(*tokenstorev1.SessionResponse) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if grants := o.take().GetGrants(); len(grants) != 1 || grants[0].GetDemandId() != 1 {
		t.Errorf("unsent: %v", grants)
	}
}
