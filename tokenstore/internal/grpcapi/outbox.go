package grpcapi

import (
	"sync"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// outbox gathers what is to be said to one replica: while one message is being
// sent, the next one grows. What nobody limits otherwise is merged: recalls of
// one token become one, and so do grants of one key's book. Answers are limited by the
// session, see backlog.
type outbox struct {
	mu      sync.Mutex
	next    *tokenstorev1.SessionResponse
	recalls map[string]*tokenstorev1.Recall
	// keyGrants are by key and book.
	keyGrants map[[2]string]*tokenstorev1.KeyGrant
	// shut: nothing is added any more.
	shut   bool
	ready  chan struct{}
	last   func()
	ending chan struct{} // closed when what there is, is the last
	end    func()
	closed chan struct{} // closed when nothing is sent any more
}

func newOutbox() *outbox {
	o := &outbox{ready: make(chan struct{}, 1), ending: make(chan struct{}), closed: make(chan struct{})}
	o.last = sync.OnceFunc(func() { close(o.ending) })
	o.end = sync.OnceFunc(func() { close(o.closed) })
	return o
}

// add lets put write into the next message. It does not block; it answers false
// when there will be no next one.
func (o *outbox) add(put func(next *tokenstorev1.SessionResponse)) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shut {
		return false
	}
	if o.next == nil {
		o.next = &tokenstorev1.SessionResponse{}
	}
	put(o.next)
	select {
	case o.ready <- struct{}{}:
	default: // the sender has been told
	}
	return true
}

// recall adds a recall, or raises the one of that token that has not been sent.
func (o *outbox) recall(tokenID string, epoch uint64) {
	o.add(func(next *tokenstorev1.SessionResponse) {
		known := o.recalls[tokenID]
		if known != nil {
			known.Epoch = max(known.GetEpoch(), epoch)
			return
		}
		if o.recalls == nil {
			o.recalls = map[string]*tokenstorev1.Recall{}
		}
		o.recalls[tokenID] = &tokenstorev1.Recall{TokenId: tokenID, Epoch: epoch}
		next.Recalls = append(next.Recalls, o.recalls[tokenID])
	})
}

// keyGrant adds a grant, or puts it into the one of that book that has not been sent.
func (o *outbox) keyGrant(grant *tokenstorev1.KeyGrant) {
	o.add(func(next *tokenstorev1.SessionResponse) {
		of := [2]string{grant.GetKeyId(), grant.GetBook()}
		if known := o.keyGrants[of]; known != nil {
			known.Granted, known.Standing = grant.GetGranted(), grant.GetStanding()
			known.DemandIds = append(known.DemandIds, grant.GetDemandIds()...)
			return
		}
		if o.keyGrants == nil {
			o.keyGrants = map[[2]string]*tokenstorev1.KeyGrant{}
		}
		o.keyGrants[of] = grant
		next.KeyGrants = append(next.KeyGrants, grant)
	})
}

// backlog counts the answers that have not been sent.
func (o *outbox) backlog() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.next.GetGrants()) + len(o.next.GetDenials())
}

// drain sends until finish or close, or until send fails. A message that fails was not
// handed to the connection: its grants are left to take, too.
func (o *outbox) drain(send func(*tokenstorev1.SessionResponse) error) error {
	for ending := false; !ending; {
		select {
		case <-o.closed:
			return nil
		case <-o.ending:
			ending = true
		case <-o.ready:
		}
		if message := o.take(); message != nil {
			if err := send(message); err != nil {
				o.putBack(message)
				return err
			}
		}
	}
	return nil
}

func (o *outbox) putBack(unsent *tokenstorev1.SessionResponse) {
	o.mu.Lock()
	defer o.mu.Unlock()
	unsent.Grants = append(unsent.Grants, o.next.GetGrants()...)
	o.next = unsent
}

// take answers what is to be said next, nil for nothing.
func (o *outbox) take() *tokenstorev1.SessionResponse {
	o.mu.Lock()
	defer o.mu.Unlock()
	message := o.next
	o.next, o.recalls, o.keyGrants = nil, nil, nil
	return message
}

// finish ends all adding; drain sends what there is, and ends.
func (o *outbox) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut = true
	o.last()
}

// close ends drain and all adding. What has not been sent is left to take.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut = true
	o.end()
}
