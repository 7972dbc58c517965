package redisstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/clientkey"
)

var clientKeysScript = newScript("client_keys")

// clientKeysStep is how many changed client keys are read at a time.
const clientKeysStep = 500

// clientKeyView is this process's copy of all client keys, which lists are made of. Before each
// list it takes in what has changed.
type clientKeyView struct {
	// turn is held by whoever brings the view up to date, and has the fields below.
	turn chan struct{}
	// mark is that of the last change in the view.
	mark int64
	byID map[string]*viewedKey
	// ordered are all, by number, once dirty is not set. The list is not changed: after a change
	// there is another.
	ordered []*viewedKey
	dirty   bool

	// stale: Redis may have lost changes that the view has.
	stale atomic.Bool
}

// viewedKey is not changed, either.
type viewedKey struct {
	*storedClientKey
	// sought is what a query is found in, in lower case.
	sought string
}

func newClientKeyView() *clientKeyView {
	return &clientKeyView{turn: make(chan struct{}, 1), byID: map[string]*viewedKey{}}
}

// ClientKeyFilter chooses client keys; its zero fields choose all but the deleted ones.
type ClientKeyFilter struct {
	// Query is found anywhere in the id, the name or a tag, in any case.
	Query string
	Tag   string
	State tokenstorev1.KeyState
}

func (f ClientKeyFilter) match(k *viewedKey, now time.Time) bool {
	state := clientkey.State(k.key, k.deleted, now)
	if f.State == tokenstorev1.KeyState_KEY_STATE_UNSPECIFIED {
		if state == tokenstorev1.KeyState_KEY_STATE_DELETED {
			return false
		}
	} else if state != f.State {
		return false
	}
	return (f.Tag == "" || slices.Contains(k.key.GetTags(), f.Tag)) && strings.Contains(k.sought, f.Query)
}

// ClientKeyPage is a page of a list, newest first.
type ClientKeyPage struct {
	Keys []*tokenstorev1.ListedKey
	// Next is the cursor of the next page; empty on the last.
	Next string
	// Total is how many the filter chooses, on all pages.
	Total int
}

// ListClientKeys returns up to limit of the client keys that the filter chooses, newest first,
// from where the cursor of the page before points.
func (s *Store) ListClientKeys(ctx context.Context, filter ClientKeyFilter, limit int, cursor string) (ClientKeyPage, error) {
	before, err := parseCursor(cursor)
	if err != nil {
		return ClientKeyPage{}, err
	}
	keys, now, err := s.allClientKeys(ctx)
	if err != nil {
		return ClientKeyPage{}, err
	}
	filter.Query = strings.ToLower(filter.Query)
	var page ClientKeyPage
	var last int64
	for _, k := range slices.Backward(keys) {
		if !filter.match(k, now) {
			continue
		}
		page.Total++
		switch {
		case before != 0 && k.number >= before:
		case len(page.Keys) == limit: // there is a next page
			page.Next = strconv.FormatInt(last, 36)
		default:
			page.Keys, last = append(page.Keys, k.listed(now)), k.number
		}
	}
	return page, nil
}

// listed is the key as a list shows it. The view may have it from before an old secret ended.
func (k *viewedKey) listed(now time.Time) *tokenstorev1.ListedKey {
	key := k.key
	if key.GetOldSecretUntil() != nil && !now.Before(k.oldUntil) {
		key = proto.CloneOf(key)
		key.OldSecretUntil = nil
	}
	return &tokenstorev1.ListedKey{Key: key, DeletedAt: timestamp(k.deleted)}
}

// allClientKeys returns all client keys by number, also the deleted ones, and Redis's time.
func (s *Store) allClientKeys(ctx context.Context) ([]*viewedKey, time.Time, error) {
	v := s.clientKeys
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, time.Time{}, ctx.Err()
	}
	defer func() { <-v.turn }()
	if v.stale.Swap(false) {
		v.empty()
	}
	for {
		look, err := s.lookAtClientKeys(ctx, v.mark)
		if err != nil {
			return nil, time.Time{}, err
		}
		if look.newest < v.mark { // these are other data
			v.empty()
			continue
		}
		v.take(look)
		if look.more {
			continue
		}
		v.expire(look.now)
		if v.dirty {
			v.ordered = slices.SortedFunc(maps.Values(v.byID), func(a, b *viewedKey) int { return cmp.Compare(a.number, b.number) })
			v.dirty = false
		}
		return v.ordered, look.now, nil
	}
}

func (v *clientKeyView) empty() { v.mark, v.byID, v.dirty = 0, map[string]*viewedKey{}, true }

// take puts what was read into the view.
func (v *clientKeyView) take(look clientKeyLook) {
	for _, each := range look.changed {
		if v.mark, v.dirty = each.mark, true; each.key == nil {
			delete(v.byID, each.id)
			continue
		}
		key := each.key.key
		sought := strings.Join(append([]string{each.id, key.GetName()}, key.GetTags()...), "\n")
		v.byID[each.id] = &viewedKey{each.key, strings.ToLower(sought)}
	}
}

// expire drops the deleted keys that can't be restored any more.
func (v *clientKeyView) expire(now time.Time) {
	for id, k := range v.byID {
		if !k.deleted.IsZero() && !now.Before(k.deleted.Add(clientKeyTrashTTL)) {
			delete(v.byID, id)
			v.dirty = true
		}
	}
}

// clientKeyLook is what has changed since a mark.
type clientKeyLook struct {
	now time.Time
	// newest is the mark of the last change of all.
	newest  int64
	changed []changedClientKey
	// more: there is more than was read.
	more bool
}

type changedClientKey struct {
	id   string
	mark int64
	// key is nil where it can't be restored any more.
	key *storedClientKey
}

func (s *Store) lookAtClientKeys(ctx context.Context, after int64) (clientKeyLook, error) {
	values, err := clientKeysScript.run(ctx, s.client, []string{clientKeyChangesKey(), clientKeyMarkKey()},
		after, clientKeysStep, clientKeyKeyPrefix()).Slice()
	if err != nil {
		return clientKeyLook{}, storeError("list client keys", err)
	}
	reply := &row{values: values}
	look := clientKeyLook{now: time.UnixMilli(reply.number(0)), newest: reply.number(1)}
	for i := 2; i < len(values); i += 3 {
		id := reply.text(i)
		key, err := readClientKey(id, fieldsOf(reply.at(i+2)), look.now)
		if err != nil {
			return clientKeyLook{}, err
		}
		look.changed = append(look.changed, changedClientKey{id, reply.number(i + 1), key})
	}
	look.more = len(look.changed) == clientKeysStep
	return look, reply.err
}
