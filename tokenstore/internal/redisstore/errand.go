package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// Errands are what a gateway asks upstreams beside requests. When each is due is a sorted
// set in the slot of its pool; who takes one moves it to when it would go to the next
// caller, and is told an epoch that nobody else has. What ends an errand names the epoch.

var (
	takeErrandsScript = newScript("take_errands")
	untilNextScript   = newScript("until_next")
)

const (
	// ErrandHold is how long an errand stays in hand without word.
	ErrandHold = 2 * time.Second
	// MaxErrands bounds what one caller is given at a time.
	MaxErrands = 64
	// maxPolling bounds the polls of logins that one caller has in hand: they may hang, and
	// refreshes need room beside them.
	maxPolling = 8
	// maxHeld bounds what one caller says that it has in hand.
	maxHeld = 1024
	// questionPause is the time between two questions for accounts of a pool: that is what
	// they may cost the upstream.
	questionPause = time.Second
	// renewersFor is how long it is remembered which upstreams have errands, unless some are
	// changed.
	renewersFor = 5 * time.Second
	// lookForAway is when orders are looked at again that can't be reached.
	lookForAway = time.Second
	// unreadableRetry is when an errand is due again that can't be opened.
	unreadableRetry = time.Minute
)

// ErrandRef names an errand in hand.
type ErrandRef struct {
	// ID is the token's, or the login's.
	ID    string
	Epoch uint64
}

// Errand is one in hand: of its parts one is set.
type Errand struct {
	ErrandRef
	Upstream string
	// Proxy to go through; empty: the upstream's.
	Proxy   secret.Value
	Refresh *RefreshErrand
	Login   *LoginErrand
	// Account asks for the account behind the token.
	Account bool
}

// RefreshErrand exchanges a refresh token, or a user's key.
type RefreshErrand struct {
	Token secret.Value
	// Former is the one before, while it is not known that the newer one serves.
	Former secret.Value
}

// LoginErrand asks whether a person has logged in.
type LoginErrand struct {
	UUID     string
	Verifier secret.Value
}

// TakeErrands prolongs the errands in hand and hands out up to room others that are due, of
// which so many ask for accounts at most, and some poll logins; it returns which of held are
// the caller's no more. It does not wait.
func (s *Store) TakeErrands(ctx context.Context, room, questions int, held []ErrandRef) (errands []Errand, lost []ErrandRef, err error) {
	if room < 0 || room > MaxErrands || len(held) > maxHeld {
		return nil, nil, invalid(fmt.Errorf("room: 0 to %d, with up to %d errands in hand", MaxErrands, maxHeld))
	}
	ofTokens, ofLogins := partErrands(held)
	logins, lost, err := s.takeLogins(ctx, min(room, max(maxPolling-len(ofLogins), 0)), ofLogins)
	if s.partAway(err) { // they wait until it is back; what pools have is not with them
		logins, lost, err = nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	ofPools, lostTokens, err := s.takeFromPools(ctx, room-len(logins), questions, ofTokens)
	if err != nil {
		return nil, nil, err
	}
	return append(logins, ofPools...), append(lost, lostTokens...), nil
}

// announceErrand tells all who hand errands out that somebody waits for one. Who does not hear
// it looks for itself before long.
func (s *Store) announceErrand(ctx context.Context) {
	if err := s.client.Publish(ctx, poolChannel, "errand").Err(); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "tokenstores are not told that an errand is due", slog.Any("error", err))
	}
}

// NextErrand is how long it takes until an errand is due; negative: one has been since. It is
// about those that there are now, so that whoever waits for it has to be told of others. An hour
// where there is none.
func (s *Store) NextErrand(ctx context.Context) (time.Duration, error) {
	upstreams, err := s.errandPools(ctx)
	if err != nil {
		return 0, err
	}
	orders := []string{pollsKey()}
	for _, upstream := range upstreams {
		orders = append(orders, refreshesKey(upstream.name))
		if upstream.tells {
			orders = append(orders, questionsKey(upstream.name))
		}
	}
	next, err := s.untilNext(ctx, orders)
	return next, storeError("look for the next errand", err)
}

// errandPools are the upstreams that have errands; while the directory of a Cluster is away, those
// that had some last.
func (s *Store) errandPools(ctx context.Context) ([]renewer, error) {
	known, err := s.renewers.get(ctx, func(ctx context.Context) ([]*tokenstorev1.Upstream, error) {
		upstreams, err := await(ctx, s, upstreamsKey(), s.Upstreams)
		return upstreams, storeError("list upstreams", err)
	})
	if known != nil && s.partAway(err) {
		return known, nil
	}
	return known, err
}

// untilNext is how long it takes until the first time in any of some orders by ms has come; an
// hour at most. Of a Cluster, orders that can't be reached are left out, for a moment.
func (s *Store) untilNext(ctx context.Context, orders []string) (time.Duration, error) {
	round, calls := s.batch(), make([]*call, len(orders))
	for i, order := range orders {
		calls[i] = round.add(untilNextScript, []string{order})
	}
	_ = round.exec(ctx) // each call has its own error
	next := time.Hour
	for _, each := range calls {
		text, err := each.reply.Text()
		switch {
		case s.partAway(storeError("read the times", err)):
			next = min(next, lookForAway)
		case err != nil:
			return 0, err
		case text != "none":
			ms, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("script %s: %w", untilNextScript.name, err)
			}
			next = min(next, time.Duration(ms)*time.Millisecond)
		}
	}
	return next, nil
}

func partErrands(held []ErrandRef) (tokens, logins []ErrandRef) {
	for _, each := range held {
		if loginIDForm.MatchString(each.ID) {
			logins = append(logins, each)
		} else {
			tokens = append(tokens, each)
		}
	}
	return tokens, logins
}

// takeFromPools is TakeErrands for tokens.
func (s *Store) takeFromPools(ctx context.Context, room, questions int, held []ErrandRef) (errands []Errand, lost []ErrandRef, err error) {
	upstreams, err := s.errandPools(ctx)
	if err != nil {
		return nil, nil, err
	}
	inHand, lost, err := s.inHand(ctx, held)
	if err != nil {
		return nil, nil, err
	}
	// A pool is asked for one question at most.
	shares, asked := divided(room, len(upstreams)), divided(questions, len(upstreams))
	for home := range inHand {
		if !slices.ContainsFunc(upstreams, func(r renewer) bool { return r.name == home }) { // it is new, or gone
			upstreams, shares, asked = append(slices.Clip(upstreams), renewer{name: home}), append(shares, 0), append(asked, 0)
		}
	}
	round, calls := s.batch(), make([]*call, len(upstreams))
	for i, upstream := range upstreams {
		keys := []string{clockKey(upstream.name), refreshesKey(upstream.name), questionsKey(upstream.name), poolIDsKey(upstream.name)}
		if s.errandsAway.within(upstream.name, s.errandHold) {
			shares[i], asked[i] = 0, 0
		}
		asks := upstream.tells && asked[i] > 0
		args := append([]any{
			shares[i], s.errandHold.Milliseconds(), flag(asks), questionPause.Milliseconds(), seldomAsked.Milliseconds(),
		}, inHand[upstream.name]...)
		calls[i] = round.add(takeErrandsScript, keys, args...)
	}
	_ = round.exec(ctx) // each call has its own error
	for i, upstream := range upstreams {
		taken, gone, err := s.errandsIn(ctx, upstream.name, calls[i])
		if s.partAway(err) {
			s.errandsAway.note(upstream.name)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		errands, lost = append(errands, taken...), append(lost, gone...)
	}
	return errands, lost, nil
}

// errandsIn reads what the script says of one pool.
func (s *Store) errandsIn(ctx context.Context, upstream string, done *call) (errands []Errand, lost []ErrandRef, err error) {
	values, err := done.reply.Slice()
	if err != nil {
		return nil, nil, storeError("take errands", err)
	}
	taken, lost, err := takenErrands(upstream, &row{values: values})
	if err != nil {
		return nil, nil, err
	}
	errands, err = s.openErrands(ctx, upstream, taken)
	return errands, lost, err
}

// inHand returns errands as the script wants them, by the upstream of their tokens, and
// those of tokens that nobody knows. While the directory of a Cluster is away, those are in neither
// of which this store does not know where they are.
func (s *Store) inHand(ctx context.Context, held []ErrandRef) (byUpstream map[string][]any, lost []ErrandRef, err error) {
	ids := make([]string, len(held))
	for i, each := range held {
		ids[i] = each.ID
	}
	homes, err := s.homesOf(ctx, ids)
	unsure := s.partAway(err)
	if err != nil && !unsure {
		return nil, nil, err
	}
	byUpstream = map[string][]any{}
	for _, each := range held {
		home := homes[each.ID]
		if unsure {
			home, _ = s.homes.get(each.ID)
		}
		switch {
		case home != "":
			byUpstream[home] = append(byUpstream[home], each.ID, each.Epoch)
		case !unsure:
			lost = append(lost, each)
		}
	}
	return byUpstream, lost, nil
}

// divided divides the room for errands among pools; what is left goes to other ones each
// time.
func divided(room, pools int) []int {
	shares := make([]int, pools)
	if pools == 0 {
		return shares
	}
	first := rand.IntN(pools) //nolint:gosec // whose turn it is needs no secrecy
	for i := range shares {
		shares[(first+i)%pools] = room / pools
		if i < room%pools {
			shares[(first+i)%pools]++
		}
	}
	return shares
}

// takenErrands reads what the script answers.
func takenErrands(upstream string, reply *row) (taken []Errand, lost []ErrandRef, err error) {
	const ofTaken = 3
	lost, at := lostErrands(reply)
	for ; at+ofTaken <= len(reply.values); at += ofTaken {
		errand := Errand{ErrandRef: ErrandRef{reply.text(at + 1), reply.count(at + 2)}, Upstream: upstream}
		if reply.text(at) == "refresh" {
			errand.Refresh = &RefreshErrand{}
		} else {
			errand.Account = true
		}
		taken = append(taken, errand)
	}
	return taken, lost, reply.err
}

// lostErrands reads the beginning of what scripts answer that hand errands out, and returns
// where it ends.
func lostErrands(reply *row) (lost []ErrandRef, end int) {
	end = 1
	for range reply.number(0) {
		lost = append(lost, ErrandRef{reply.text(end), reply.count(end + 1)})
		end += 2
	}
	return lost, end
}

// openErrands adds what is sealed. Those of tokens that can't be opened, or are gone, are
// left out.
func (s *Store) openErrands(ctx context.Context, upstream string, taken []Errand) ([]Errand, error) {
	if len(taken) == 0 {
		return nil, nil
	}
	pipe := s.client.Pipeline()
	read := make([]*redis.SliceCmd, len(taken))
	names := []string{"rec", "refresh", "former"}
	for i, errand := range taken {
		read[i] = pipe.HMGet(ctx, tokenKey(upstream, errand.ID), names...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, storeError("open errands", err)
	}
	opened := make([]Errand, 0, len(taken))
	for i, errand := range taken {
		s.homes.put(errand.ID, upstream)
		values, err := read[i].Result()
		if err != nil {
			return nil, storeError("open errands", err)
		}
		if err := s.openErrand(&errand, namedFields(names, values)); err != nil {
			s.log.LogAttrs(ctx, slog.LevelError, "a token is damaged: it can't be renewed or asked about", slog.String("token_id", errand.ID), slog.Any("error", err))
			if err := s.setAside(ctx, errand); err != nil {
				return nil, err
			}
			continue
		}
		opened = append(opened, errand)
	}
	return opened, nil
}

func (s *Store) openErrand(errand *Errand, f fields) error {
	var rec record
	if json.Unmarshal([]byte(f["rec"]), &rec) != nil { // its error could repeat the text
		return fmt.Errorf("token %s: no record", errand.ID)
	}
	content, err := rec.open(s.keys, errand.ID)
	if err != nil {
		return err
	}
	errand.Proxy = content.Proxy
	if errand.Refresh == nil {
		return nil
	}
	if f["refresh"] == "" { // a user's key is its own refresh token
		errand.Refresh.Token = content.Secret
		return nil
	}
	if errand.Refresh.Token, err = s.openGiven(f["refresh"], refreshBinding(errand.ID)); err != nil {
		return err
	}
	errand.Refresh.Former, err = s.openGiven(f["former"], refreshBinding(errand.ID))
	return err
}

// setAside puts an errand off that nobody can carry out.
func (s *Store) setAside(ctx context.Context, errand Errand) error {
	if errand.Account {
		return s.planQuestion(ctx, errand.Upstream, errand.ID)
	}
	_, err := s.PostponeRefresh(ctx, errand.ErrandRef, "what is stored of it can't be opened", unreadableRetry)
	if isNoToken(err) {
		return nil
	}
	return err
}

// renewer is an upstream that has errands.
type renewer struct {
	name string
	// tells: it answers questions about accounts.
	tells bool
}

// renewers remembers for a while which upstreams have errands: that is asked again and again by
// each gateway.
type renewers struct {
	stale atomic.Bool
	known atomic.Pointer[[]renewer] // nil before the first
	// turn is held by who looks whether they are to be listed, and lists them.
	turn chan struct{}
	at   time.Time // when they were listed; only in turn
}

func newRenewers() *renewers { return &renewers{turn: make(chan struct{}, 1)} }

// forget has them listed again. It does not block.
func (r *renewers) forget() { r.stale.Store(true) }

// get returns, with an error, those that it knew last.
func (r *renewers) get(ctx context.Context, list func(context.Context) ([]*tokenstorev1.Upstream, error)) ([]renewer, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return r.last(), storeError("list upstreams", ctx.Err())
	}
	if !r.stale.Swap(false) && time.Since(r.at) < renewersFor {
		return r.last(), nil
	}
	upstreams, err := list(ctx)
	if err != nil {
		r.at = time.Time{}
		return r.last(), err
	}
	var known []renewer
	for _, upstream := range upstreams {
		if driver := upstream.GetDriver(); token.Renews(driver) || token.TellsAccounts(driver) {
			known = append(known, renewer{upstream.GetName(), token.TellsAccounts(driver)})
		}
	}
	r.known.Store(&known)
	r.at = time.Now()
	return known, nil
}

func (r *renewers) last() []renewer {
	if known := r.known.Load(); known != nil {
		return *known
	}
	return nil
}

// epochText is an epoch as scripts have it.
func epochText(epoch uint64) string { return strconv.FormatUint(epoch, 10) }

// maxDetail bounds what is kept of what an upstream said, in bytes.
const maxDetail = 512

// shortened is the beginning of a text, of up to so many bytes.
func shortened(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}
