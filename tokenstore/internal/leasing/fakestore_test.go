package leasing

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"carousel.internal/proto/service/secret"
)

// fakeStore has tokens without an order: the first that fits is taken.
type fakeStore struct {
	mu     sync.Mutex
	tokens []*fakeToken
	leases int
	// wanted are the acquires so far, ended the settlements, applied the transitions.
	wanted  []Wanted
	ended   []Settlement
	applied []transition
	// witnessed are the failures that tokens may share, as far as they were taken down; shared is
	// what becomes of them all. wronged are the entries of Pardon, pardoned those that were taken.
	witnessed         []Settlement
	shared            bool
	wronged, pardoned []Pardoned
	// reserve is what Reserve returns; reservations and slotsWanted are its calls, and
	// Want's.
	reserve      Reserve
	reservations []Reservation
	slotsWanted  []string
	announced    []Waiting
	// down fails all calls but those of Credential.
	down error
	// downForPardon fails Pardon.
	downForPardon error
	// lent: denials say that gateways may have slots that no request uses.
	lent bool
	// slow, where there is one, holds Acquire up before it looks.
	slow chan struct{}
}

type fakeToken struct {
	id     string
	cap    int
	held   int // slots in a reserve
	cools  time.Time
	epoch  uint64
	streak int
	cause  string
	// modelStreak counts as if every lease were a probe of its model.
	modelStreak int
	open        map[string]bool
	// broken is what Credential returns.
	broken error
}

func (f *fakeStore) add(id string, capacity int) *fakeToken {
	f.mu.Lock()
	defer f.mu.Unlock()
	added := &fakeToken{id: id, cap: capacity, epoch: 1, open: map[string]bool{}}
	f.tokens = append(f.tokens, added)
	return added
}

func (f *fakeStore) find(id string) *fakeToken {
	for _, each := range f.tokens {
		if each.id == id {
			return each
		}
	}
	return &fakeToken{}
}

func (f *fakeStore) open(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.find(id).open)
}

func (f *fakeStore) asked() []Wanted {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.wanted)
}

func (f *fakeStore) transitions() []transition {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.applied)
}

// Acquire implements Store.
func (f *fakeStore) Acquire(_ context.Context, wanted Wanted) ([]Taken, Shortage, error) {
	if f.slow != nil {
		<-f.slow
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted = append(f.wanted, wanted)
	if f.down != nil {
		return nil, Shortage{}, f.down
	}
	var taken []Taken
	shortage := Shortage{}
	for _, each := range f.tokens {
		if one := wanted.Alias + wanted.TokenID; one != "" && one != each.id { // each one's alias is its id
			continue
		}
		shortage.Total++
		cools := time.Until(each.cools)
		switch {
		case cools > 0:
			shortage.Cooling++
			if shortage.Soonest == 0 || cools < shortage.Soonest {
				shortage.Soonest = cools
			}
			continue
		case slices.Contains(wanted.Exclude, each.id):
			shortage.Tried++
			continue
		case each.cap > 0 && (wanted.Uncapped || len(each.open)+each.held >= each.cap):
			shortage.Capped++
			if each.held > 0 {
				shortage.Reserved++
			}
			continue
		}
		for len(taken) < wanted.Count && (each.cap == 0 || len(each.open)+each.held < each.cap) {
			f.leases++
			ref := LeaseRef{TokenID: each.id, LeaseID: fmt.Sprintf("%d-%d", each.epoch, f.leases)}
			each.open[ref.LeaseID] = true
			taken = append(taken, Taken{LeaseRef: ref, Version: 1, Capped: each.cap > 0 && !wanted.Ahead, Slot: each.cap > 0})
		}
	}
	if len(taken) == 0 {
		shortage.Lent = f.lent
	}
	if wanted.Brief {
		shortage = Shortage{Lent: shortage.Lent}
	}
	return taken, shortage, nil
}

// Settle implements Store.
func (f *fakeStore) Settle(_ context.Context, settlements []Settlement) ([]Settled, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return nil, f.down
	}
	f.ended = append(f.ended, settlements...)
	var settled []Settled
	for _, each := range settlements {
		owner := f.find(each.TokenID)
		done := Settled{Live: owner.open[each.LeaseID], Upstream: "u", Wronged: len(f.wronged) > 0}
		delete(owner.open, each.LeaseID)
		if done.Live {
			f.judge(&done, owner, each)
		}
		settled = append(settled, done)
	}
	return settled, nil
}

// transition is what a verdict has done.
type transition struct {
	TokenID string
	Epoch   uint64
	Class   string
	Streak  int
	CoolFor time.Duration
	Model   string
	Evidence
}

func (f *fakeStore) judge(done *Settled, owner *fakeToken, s Settlement) {
	v := s.Verdict
	if v == nil {
		return
	}
	if v.Shareable {
		f.witnessed = append(f.witnessed, s)
		if f.shared {
			done.Became = Blameless
			return
		}
	}
	if len(v.CoolFor) == 0 || owner.epoch != s.Epoch() {
		return
	}
	streak := owner.modelStreak
	if v.Model == "" {
		if streak = owner.streak; owner.cause != v.Class {
			streak = 0
		}
	}
	done.Became, done.CoolFor, done.Streak = Cooling, v.CoolFor[min(streak, len(v.CoolFor)-1)], streak+1
	if done.CoolFor == 0 {
		done.Became = Parked
	}
	f.applied = append(f.applied, transition{
		TokenID: owner.id, Epoch: owner.epoch, Class: v.Class, Streak: done.Streak, CoolFor: done.CoolFor, Model: v.Model, Evidence: v.Evidence,
	})
	owner.epoch++
	if v.Model == "" {
		owner.cools, owner.streak, owner.cause = time.Now().Add(done.CoolFor), done.Streak, v.Class
	}
}

// Renew implements Store.
func (f *fakeStore) Renew(_ context.Context, leases []LeaseRef, _ time.Duration) ([]LeaseRef, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lost := slices.DeleteFunc(slices.Clone(leases), func(ref LeaseRef) bool { return f.find(ref.TokenID).open[ref.LeaseID] })
	return lost, f.down
}

// Pardon implements Store.
func (f *fakeStore) Pardon(_ context.Context, upstream, by string) (*Pardoned, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.downForPardon != nil {
		return nil, f.downForPardon
	}
	if f.down != nil || len(f.wronged) == 0 || upstream != "u" || by != byGuard {
		return nil, f.down
	}
	next := f.wronged[0]
	f.wronged, f.pardoned = f.wronged[1:], append(f.pardoned, next)
	return &next, nil
}

// alarms implements Observer.
type alarms struct {
	mu  sync.Mutex
	all []string
	// judged and answered are what was told, as words.
	judged, answered []string
}

func (a *alarms) Judged(upstream, class, became string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.judged = append(a.judged, upstream+" "+class+" "+became)
}

func (a *alarms) Answered(upstream string, ahead bool, leases int, refused string, _ time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answered = append(a.answered, fmt.Sprintf("%s ahead=%t %d %s", upstream, ahead, leases, refused))
}

func (a *alarms) SharedCause(upstream, class string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, upstream+" "+class)
}

// Credential implements Store.
func (f *fakeStore) Credential(_ context.Context, tokenID string, _ uint64) (Credential, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if broken := f.find(tokenID).broken; broken != nil {
		return Credential{}, broken
	}
	return Credential{Secret: secret.New("secret of " + tokenID), DeviceID: "d", MACHash: "m", Alias: "alias of " + tokenID, Fingerprint: "f", Masked: "…"}, nil
}

// Reserve implements Store.
func (f *fakeStore) Reserve(_ context.Context, reservation Reservation) (Reserve, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reservations = append(f.reservations, reservation)
	return f.reserve, f.down
}

// Reconcile implements Store.
func (f *fakeStore) Reconcile(_ context.Context, _ string, uses []ReservedUse) ([]Settled, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var settled []Settled
	for _, use := range uses {
		f.ended = append(f.ended, use.Settlement)
		owner := f.find(use.TokenID)
		done := Settled{Live: true, Upstream: "u", Wronged: len(f.wronged) > 0}
		f.judge(&done, owner, use.Settlement)
		settled = append(settled, done)
	}
	return settled, f.down
}

// Want implements Store.
func (f *fakeStore) Locate(string, string) {}

func (f *fakeStore) Want(_ context.Context, upstream string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slotsWanted = append(f.slotsWanted, upstream)
	return f.down
}

// Announce implements Store.
func (f *fakeStore) Announce(_ context.Context, waiting Waiting) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.announced = append(f.announced, waiting)
	return f.down
}
