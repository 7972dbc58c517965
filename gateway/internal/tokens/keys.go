package tokens

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// lookupTime bounds one question whose a secret is, the wait for its turn included, and
	// confirmTime one about a secret that is known, and serves where there is no answer.
	lookupTime  = 2 * time.Second
	confirmTime = 250 * time.Millisecond
	// awayPatience is for how long a store that can't be reached is asked about a secret that is
	// not known: with several tokenstores another one goes on.
	awayPatience = 500 * time.Millisecond
	// maxLookups are the questions at a time, maxSuspectLookups those about what comes from
	// addresses that have sent too many wrong keys.
	maxLookups        = 32
	maxSuspectLookups = 4
	// maxKeys bounds the keys that are remembered, at about 1 KiB a key, and maxStrangers the
	// secrets that are remembered as nobody's, at about 100 bytes.
	maxKeys      = 20_000
	maxStrangers = 4096
	// secretsOfKey are the most that one key has at a time: its own, and the one before.
	secretsOfKey = 2
	// evictionLooks is how many are looked at to find one to forget.
	evictionLooks = 16
	// keyTrust is how long what the store has said of a key holds where nobody would hear of a
	// change, and strangerTrust how long a secret is nobody's.
	keyTrust      = time.Second
	strangerTrust = 5 * time.Second
)

// KeyClient is the tokenstore's side, as the generated gRPC client has it.
type KeyClient interface {
	ResolveKey(context.Context, *tokenstorev1.ResolveKeyRequest, ...grpc.CallOption) (*tokenstorev1.ResolveKeyResponse, error)
	GetKey(context.Context, *tokenstorev1.GetKeyRequest, ...grpc.CallOption) (*tokenstorev1.GetKeyResponse, error)
}

// Keys knows whose the secrets of client keys are: it asks the tokenstore once, and remembers the
// answer until it hears that the key has changed. While no session with the store works it hears
// nothing and asks again every second; where the store can't be reached what it knows goes on. It
// is safe for concurrent use.
type Keys struct {
	client KeyClient
	// hears tells whether changes of keys are heard of now.
	hears               func() bool
	turns, suspectTurns chan struct{}

	mu sync.Mutex
	// epoch is raised when any key may have changed.
	epoch     uint64
	known     map[string][]*knownSecret // by the key's id
	strangers map[caller.Secret]time.Time
	asking    map[caller.Secret]*question
}

// knownSecret is a secret of which the store has said whose it is. Keys.mu guards it.
type knownSecret struct {
	hash  [32]byte
	key   *caller.Key
	until time.Time
	used  time.Time
	// asked is when the store was last asked, in which epoch, and whether it answered.
	asked    time.Time
	epoch    uint64
	answered bool
}

// question is one to the store, for all that want to know the same.
type question struct {
	done  chan struct{}
	key   *caller.Key
	until time.Time
	err   error
}

// NewKeys makes a client without anything known. hears tells whether changes are heard of now; what
// is heard is told to Changed.
func NewKeys(client KeyClient, hears func() bool) *Keys {
	return &Keys{
		client: client, hears: hears,
		turns: make(chan struct{}, maxLookups), suspectTurns: make(chan struct{}, maxSuspectLookups),
		known: map[string][]*knownSecret{}, strangers: map[caller.Secret]time.Time{}, asking: map[caller.Secret]*question{},
	}
}

// Changed forgets what is known of a key, or, with an empty id, trusts nothing that is known
// without asking again. Questions under way don't count for who asks from now on.
func (k *Keys) Changed(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.strangers)
	clear(k.asking)
	if id == "" {
		k.epoch++
	} else {
		delete(k.known, id)
	}
}

// Find returns whose a secret is, and when it ends before the key does; zero: it does not. suspect
// has it wait for its turn among those that are so, too. The error is caller.ErrUnknownKey, or a
// *chat.Error.
func (k *Keys) Find(ctx context.Context, secret caller.Secret, suspect bool) (*caller.Key, time.Time, error) {
	now, hears := time.Now(), k.hears()
	k.mu.Lock()
	known := k.find(secret)
	if known != nil {
		known.used = now
		if known.holds(k.epoch, now, hears) {
			defer k.mu.Unlock()
			return known.key, known.until, nil
		}
	} else if now.Before(k.strangers[secret]) {
		k.mu.Unlock()
		return nil, time.Time{}, caller.ErrUnknownKey
	}
	asked, first := k.asking[secret], false
	if asked == nil {
		asked, first = &question{done: make(chan struct{})}, true
		k.asking[secret] = asked
	}
	epoch := k.epoch
	k.mu.Unlock()

	if first {
		k.ask(ctx, secret, asked, known, epoch, suspect)
	}
	select {
	case <-asked.done:
		return asked.key, asked.until, asked.err
	case <-ctx.Done():
		return nil, time.Time{}, chat.AsError(context.Cause(ctx))
	}
}

// find returns what is known of a secret; nil: nothing is. mu is held.
func (k *Keys) find(secret caller.Secret) *knownSecret {
	for _, known := range k.known[secret.ID] {
		if known.hash == secret.Hash {
			return known
		}
	}
	return nil
}

// holds tells whether what is known needs no question. The Keys' mu is held.
func (s *knownSecret) holds(epoch uint64, now time.Time, hears bool) bool {
	return s.epoch == epoch && (s.answered && hears || now.Sub(s.asked) < keyTrust)
}

// ask asks the store, whether or not the client that was first waits for the answer, and remembers
// that. Where there is none, what is known serves.
func (k *Keys) ask(ctx context.Context, secret caller.Secret, asked *question, known *knownSecret, epoch uint64, suspect bool) {
	defer k.answered(secret, asked)
	asked.err = errNoAnswer // unless the store gives one
	within, turns, patience := lookupTime, k.turns, awayPatience
	switch {
	case known != nil:
		within, patience = confirmTime, 0
	case suspect:
		turns = k.suspectTurns
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	began := time.Now()
	asked.key, asked.until, asked.err = k.resolve(ctx, secret, turns, patience)

	k.mu.Lock()
	defer k.mu.Unlock()
	current := k.asking[secret] == asked // else a key has changed meanwhile
	unknown := errors.Is(asked.err, caller.ErrUnknownKey)
	switch {
	case asked.err == nil && current:
		k.remember(secret, &knownSecret{hash: secret.Hash, key: asked.key, until: asked.until, used: began, asked: began, epoch: epoch, answered: true})
	case unknown && current:
		k.forget(secret)
		k.noteStranger(secret, began)
	case asked.err != nil && !unknown && known != nil && k.find(secret) == known:
		asked.key, asked.until, asked.err = known.key, known.until, nil
		known.asked, known.epoch, known.answered = time.Now(), epoch, false
	}
}

// answered ends a question, also one whose asker has panicked.
func (k *Keys) answered(secret caller.Secret, asked *question) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asking[secret] == asked {
		delete(k.asking, secret)
	}
	close(asked.done)
}

// resolve asks the store when it is its turn, and again within its patience while that can't be
// reached.
func (k *Keys) resolve(ctx context.Context, secret caller.Secret, turns chan struct{}, patience time.Duration) (*caller.Key, time.Time, error) {
	select {
	case turns <- struct{}{}:
		defer func() { <-turns }()
	case <-ctx.Done():
		return nil, time.Time{}, &chat.Error{Kind: chat.Overloaded, Message: "too many keys are being checked now; try again", RetryAfter: time.Second}
	}
	request := &tokenstorev1.ResolveKeyRequest{SecretHash: secret.Hash[:], Id: secret.ID}
	began, pause := time.Now(), backoff{}
	got, err := k.client.ResolveKey(ctx, request)
	for isAway(err) && time.Since(began) < patience && ctx.Err() == nil {
		pause.wait(ctx)
		got, err = k.client.ResolveKey(ctx, request)
	}
	switch {
	case rpcerr.Is(err, tokenstorev1.Reason_REASON_KEY_NOT_FOUND):
		return nil, time.Time{}, caller.ErrUnknownKey
	case err != nil:
		return nil, time.Time{}, errorOfLookup(err)
	}
	key, err := keyOf(got.GetKey())
	if err != nil {
		return nil, time.Time{}, err
	}
	var until time.Time
	if end := got.GetSecretUntil(); end != nil {
		until = end.AsTime()
	}
	return key, until, nil
}

// errNoAnswer is the error for who waits for a question whose asker has panicked.
var errNoAnswer = &chat.Error{Kind: chat.StoreUnavailable, Message: "the key can't be checked", RetryAfter: time.Second}

// errorOfLookup words for a client why its key can't be looked up.
func errorOfLookup(err error) error {
	return &chat.Error{
		Kind: chat.StoreUnavailable, Message: "the key can't be checked: the tokenstore does not answer, and this gateway has not seen the key lately",
		RetryAfter: time.Second, Err: err,
	}
}

// remember keeps an answer. mu is held.
func (k *Keys) remember(secret caller.Secret, known *knownSecret) {
	k.forget(secret)
	secrets := k.known[secret.ID]
	if len(secrets) == 0 && len(k.known) >= maxKeys {
		k.makeRoom()
	}
	for i := range secrets { // the other one is of the same key
		secrets[i].key = known.key
	}
	k.known[secret.ID] = append(secrets[max(len(secrets)-secretsOfKey+1, 0):], known)
}

// makeRoom forgets the key that of a few was not used for the longest time. mu is held.
func (k *Keys) makeRoom() {
	var oldest string
	var used time.Time
	looks := 0
	for id, secrets := range k.known { // in no particular order
		last := secrets[0].used
		for _, each := range secrets[1:] {
			if each.used.After(last) {
				last = each.used
			}
		}
		if looks == 0 || last.Before(used) {
			oldest, used = id, last
		}
		if looks++; looks == evictionLooks {
			break
		}
	}
	delete(k.known, oldest)
}

// forget drops what is known of a secret. mu is held.
func (k *Keys) forget(secret caller.Secret) {
	var others []*knownSecret
	for _, known := range k.known[secret.ID] {
		if known.hash != secret.Hash {
			others = append(others, known)
		}
	}
	if len(others) == 0 {
		delete(k.known, secret.ID)
		return
	}
	k.known[secret.ID] = others
}

// noteStranger remembers that a secret is nobody's. Where there is no room any other is forgotten:
// it is asked about again. mu is held.
func (k *Keys) noteStranger(secret caller.Secret, now time.Time) {
	if len(k.strangers) >= maxStrangers {
		for other := range k.strangers {
			delete(k.strangers, other)
			break
		}
	}
	k.strangers[secret] = now.Add(strangerTrust)
}

// Show returns a key as the store has it now, and how far its limits are used up. Errors are
// *chat.Error.
func (k *Keys) Show(ctx context.Context, id string) (*tokenstorev1.GetKeyResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	got, err := k.client.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: id})
	if err != nil {
		return nil, chat.AsError(storeerr.Translate(err))
	}
	return got, nil
}

// keyOf is what requests need to know of a key. One that bounds its use in a way that this gateway
// does not know is an error: it would allow too much.
func keyOf(message *tokenstorev1.ClientKey) (*caller.Key, error) {
	key := &caller.Key{ID: message.GetId(), Name: message.GetName(), Disabled: message.GetDisabled(), Models: message.GetModels()}
	if end := message.GetExpiresAt(); end != nil {
		key.ExpiresAt = end.AsTime()
	}
	for _, text := range message.GetNetworks() {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, notUnderstood(key.ID, err)
		}
		key.Networks = append(key.Networks, network)
	}
	for _, scope := range message.GetScopes() {
		key.Scopes = append(key.Scopes, caller.Scope(scope))
	}
	for _, told := range message.GetLimits() {
		limit := limitFrom(told)
		if limit.Unit == "" || limit.Period == "" {
			return nil, notUnderstood(key.ID, fmt.Errorf("a limit of %s by %s", told.GetUnit(), told.GetPeriod()))
		}
		key.Limits = append(key.Limits, limit)
	}
	return key, nil
}

func notUnderstood(id string, err error) error {
	return &chat.Error{
		Kind: chat.Internal, Message: "the key can't be used at this gateway, which is of an earlier version than the tokenstore",
		Err: fmt.Errorf("key %s: %w", id, err),
	}
}

// HearsChanges tells whether changes of keys are heard of now.
func (l *Leases) HearsChanges() bool { return l.session.works() }
