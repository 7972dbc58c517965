package backup

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

// snapshot is what a store has.
type snapshot struct {
	// entries are in the order of a backup.
	entries []*entry
	// drivers are those of its upstreams, by name.
	drivers                map[string]string
	unreadableTokens       []string
	unreadableUpstreams    []string
	unreadableDestinations []string
	// damaged are ids of unreadable tokens by upstream and fingerprint.
	damaged map[string]string
	// prices has the version of all prices.
	prices *tokenstorev1.Prices
}

// look reads all that a backup has. Tokens come first, so that of each the upstream is found after
// it: one that has tokens is not deleted.
func look(ctx context.Context, store *redisstore.Store) (*snapshot, error) {
	exported, unreadable, err := store.ExportReadable(ctx, "")
	if err != nil {
		return nil, err
	}
	now := &snapshot{unreadableTokens: unreadable, drivers: map[string]string{}}
	if err := now.lookAtDamage(ctx, store); err != nil {
		return nil, err
	}
	if err := now.lookAtUpstreams(ctx, store); err != nil {
		return nil, err
	}
	for _, each := range exported {
		one := tokenEntry(tokenRecord(each), storedIdentity(each))
		one.exported = each
		now.entries = append(now.entries, one)
	}
	for _, next := range []func(context.Context, *redisstore.Store) error{
		now.lookAtClientKeys, now.lookAtRoutes, now.lookAtSettings, now.lookAtPrices,
		now.lookAtDestinations,
	} {
		if err := next(ctx, store); err != nil {
			return nil, err
		}
	}
	return now, nil
}

func (s *snapshot) add(record *tokenstorev1.BackupRecord) *entry {
	one := entryOf(record, s.drivers)
	s.entries = append(s.entries, one)
	return one
}

// lookAtDamage finds out which tokens those are that can't be read.
func (s *snapshot) lookAtDamage(ctx context.Context, store *redisstore.Store) error {
	s.damaged = map[string]string{}
	for _, id := range s.unreadableTokens {
		t, err := store.Token(ctx, id)
		if rpcerr.Is(err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND) { // deleted meanwhile
			continue
		}
		if err != nil {
			return err
		}
		s.damaged[t.GetUpstream()+"\n"+t.GetFingerprint()] = id
	}
	return nil
}

func (s *snapshot) lookAtUpstreams(ctx context.Context, store *redisstore.Store) error {
	upstreams, unreadable, err := store.ReadableUpstreams(ctx)
	if err != nil {
		return err
	}
	s.unreadableUpstreams = unreadable
	for _, each := range upstreams {
		each.Version = 0
		s.drivers[each.GetName()] = each.GetDriver()
		s.add(&tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Upstream{Upstream: each}})
	}
	return nil
}

func (s *snapshot) lookAtClientKeys(ctx context.Context, store *redisstore.Store) error {
	keys, err := store.KeptClientKeys(ctx)
	if err != nil {
		return err
	}
	for _, each := range keys {
		s.add(&tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_ClientKey{ClientKey: each.BackupClientKey}}).version = each.Version
	}
	return nil
}

func (s *snapshot) lookAtRoutes(ctx context.Context, store *redisstore.Store) error {
	routes, err := store.Routes(ctx)
	if err != nil {
		return err
	}
	for _, each := range routes {
		each.Version = 0
		s.add(&tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Route{Route: each}})
	}
	return nil
}

// lookAtSettings reads settings and pages.
func (s *snapshot) lookAtSettings(ctx context.Context, store *redisstore.Store) error {
	settings, names, err := store.StoredSettings(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		record, err := settingRecord(settings, name)
		if err != nil {
			return err
		}
		s.add(record)
	}
	configuration, err := store.Configuration(ctx)
	if err != nil {
		return err
	}
	for _, each := range configuration.GetPages() {
		s.add(&tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Page{Page: each}})
	}
	return nil
}

func (s *snapshot) lookAtPrices(ctx context.Context, store *redisstore.Store) error {
	prices, err := store.Prices(ctx)
	if err != nil {
		return err
	}
	s.prices = prices
	for _, each := range prices.GetPrices() { // shared: nobody changes them
		s.add(&tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Price{Price: proto.CloneOf(each)}})
	}
	return nil
}

// ofKind returns the entries of a kind.
func ofKind(kind tokenstorev1.BackupKind, entries []*entry) []*entry {
	return slices.Collect(func(yield func(*entry) bool) {
		for _, each := range entries {
			if each.kind == kind && !yield(each) {
				return
			}
		}
	})
}
