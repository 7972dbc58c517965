package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/clientkey"
	"carousel.internal/tokenstore/internal/ledger"
	"carousel.internal/tokenstore/internal/testredis"
)

const noKey = tokenstorev1.Reason_REASON_KEY_NOT_FOUND

func createKey(t *testing.T, store *Store, said *tokenstorev1.ClientKey) (*tokenstorev1.ClientKey, secret.Value) {
	t.Helper()
	key, made, err := store.CreateClientKey(t.Context(), said)
	if err != nil {
		t.Fatal(err)
	}
	return key, made
}

// whose returns the key of a secret, and until when the secret goes on.
func whose(t *testing.T, store *Store, value secret.Value) (*tokenstorev1.ClientKey, time.Time, error) {
	t.Helper()
	hash := clientkey.Hash(value)
	id := strings.Split(value.Reveal(), "-")[2]
	return store.ResolveClientKey(t.Context(), id, hash[:])
}

func wantNobodys(t *testing.T, store *Store, value secret.Value) {
	t.Helper()
	_, _, err := whose(t, store, value)
	wantReason(t, err, noKey)
}

func listKeys(t *testing.T, store *Store, filter ClientKeyFilter) []*tokenstorev1.ListedKey {
	t.Helper()
	page, err := store.ListClientKeys(t.Context(), filter, 500, "")
	if err != nil {
		t.Fatal(err)
	}
	if page.Total != len(page.Keys) || page.Next != "" {
		t.Errorf("%d of %d, next %q", len(page.Keys), page.Total, page.Next)
	}
	return page.Keys
}

func namesOf(keys []*tokenstorev1.ListedKey) string {
	var names []string
	for _, each := range keys {
		names = append(names, each.GetKey().GetName())
	}
	return strings.Join(names, " ")
}

func TestAClientKeysLife(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		expires := timestamppb.New(time.Now().Add(time.Hour).Truncate(time.Second))
		limits := []*tokenstorev1.KeyLimit{
			{Unit: tokenstorev1.KeyUnit_KEY_UNIT_USD, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH, Amount: 9e18, TimeZone: "Europe/Berlin"},
		}
		key, made := createKey(t, store, &tokenstorev1.ClientKey{
			Id: "mine", Name: " CI ", Tags: []string{"a", "b", "a"}, ExpiresAt: expires, Models: []string{"gpt-*"},
			Networks: []string{"10.1.2.3/8", "::1"}, Scopes: []string{"pool:read"}, Limits: limits, MaskedSecret: "mine", Version: 7,
		})
		want := &tokenstorev1.ClientKey{
			Id: key.GetId(), Name: "CI", Tags: []string{"a", "b"}, ExpiresAt: expires, Models: []string{"gpt-*"},
			Networks: []string{"10.0.0.0/8", "::1/128"}, Scopes: []string{"pool:read"}, Limits: limits, MaskedSecret: clientkey.Masked(made), Version: 1,
			CreatedAt: key.GetCreatedAt(), UpdatedAt: key.GetCreatedAt(),
		}
		if diff := cmp.Diff(want, key, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		if !clientkey.IsID(key.GetId()) || time.Since(key.GetCreatedAt().AsTime()).Abs() > time.Minute {
			t.Errorf("id %s, created %v", key.GetId(), key.GetCreatedAt().AsTime())
		}
		if got, until, err := whose(t, store, made); err != nil || !until.IsZero() || !proto.Equal(got, key) {
			t.Errorf("its secret is %v's, until %v, %v", got, until, err)
		}

		edit := &tokenstorev1.ClientKey{Name: "other", Disabled: true, Tags: []string{"not named"}}
		changed, err := store.UpdateClientKey(ctx, key.GetId(), edit, []string{"name", "disabled", "expires_at"}, 1)
		if err != nil || changed.GetName() != "other" || !changed.GetDisabled() || changed.GetExpiresAt() != nil || len(changed.GetTags()) != 2 || changed.GetVersion() != 2 {
			t.Errorf("changed: %v, %v", changed, err)
		}
		_, err = store.UpdateClientKey(ctx, key.GetId(), edit, []string{"name"}, 1)
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)

		if err := store.DeleteClientKey(ctx, key.GetId(), 1); !rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
			t.Error(err)
		}
		_, err = store.RestoreClientKey(ctx, key.GetId())
		wantReason(t, err, tokenstorev1.Reason_REASON_ALREADY_EXISTS)
		if err := store.DeleteClientKey(ctx, key.GetId(), 2); err != nil {
			t.Fatal(err)
		}
		wantNobodys(t, store, made)
		for name, call := range map[string]func() error{
			"get":       func() error { _, err := store.GetClientKey(ctx, key.GetId()); return err },
			"a request": func() error { _, err := store.ClientKey(ctx, key.GetId()); return err },
			"update":    func() error { _, err := store.UpdateClientKey(ctx, key.GetId(), edit, []string{"name"}, 0); return err },
			"rotate":    func() error { _, _, err := store.RotateClientKey(ctx, key.GetId(), 0, 0); return err },
			"delete":    func() error { return store.DeleteClientKey(ctx, key.GetId(), 0) },
		} {
			if err := call(); !rpcerr.Is(err, noKey) {
				t.Errorf("%s of a deleted key: %v", name, err)
			}
		}
		restored, err := store.RestoreClientKey(ctx, key.GetId())
		if err != nil || restored.GetName() != "other" || restored.GetVersion() != 4 || !proto.Equal(restored.GetCreatedAt(), key.GetCreatedAt()) {
			t.Errorf("restored: %v, %v", restored, err)
		}
		if _, _, err := whose(t, store, made); err != nil {
			t.Error(err)
		}
		if left := store.client.ZCard(ctx, clientKeyTrashKey()).Val(); left != 0 {
			t.Errorf("%d in the trash", left)
		}
		if ttl := store.client.PTTL(ctx, clientKeyKey(key.GetId())).Val(); ttl >= 0 {
			t.Errorf("it expires in %v", ttl)
		}
	})
}

// Ids that no key can have are not asked for: they never become a part of a Redis key.
func TestIDsThatNoClientKeyHas(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Mini(t))
	ctx := t.Context()
	for _, id := range []string{"", "abc", "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaa1", "AAAAAAAAAAAAAAAA", "{pool}:aaaaaaaaa", strings.Repeat("a", 1<<20)} {
		for name, err := range map[string]error{
			"get":     second(store.GetClientKey(ctx, id)),
			"update":  second(store.UpdateClientKey(ctx, id, &tokenstorev1.ClientKey{}, []string{"name"}, 0)),
			"restore": second(store.RestoreClientKey(ctx, id)),
			"delete":  store.DeleteClientKey(ctx, id, 0),
		} {
			if wantReason(t, err, noKey); len(err.Error()) > 200 {
				t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
			}
		}
		wantReason(t, third(store.RotateClientKey(ctx, id, 0, 0)), noKey)
		_, _, err := store.ResolveClientKey(ctx, id, make([]byte, sha256.Size))
		wantReason(t, err, noKey)
	}
	_, _, err := store.ResolveClientKey(ctx, "aaaaaaaaaaaaaaaa", []byte("short"))
	wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

// The secret itself is nowhere in Redis.
func TestSecretsOfClientKeysAreNotKept(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Start(t))
	key, made := createKey(t, store, &tokenstorev1.ClientKey{Name: "n"})
	_, rotated, err := store.RotateClientKey(t.Context(), key.GetId(), time.Hour, 0)
	if err != nil {
		t.Fatal(err)
	}
	hash := store.client.HGetAll(t.Context(), clientKeyKey(key.GetId())).Val()
	if len(hash["secret"]) != hex.EncodedLen(sha256.Size) {
		t.Errorf("hash %q", hash["secret"])
	}
	for field, value := range hash {
		for _, each := range []secret.Value{made, rotated} {
			if random := each.Reveal()[len(each.Reveal())-20:]; strings.Contains(value, random) {
				t.Errorf("%s has the secret", field)
			}
		}
	}
}

// A rotation ends the secret at once, or after a while; of two old ones the last goes on.
func TestRotation(t *testing.T) {
	t.Parallel()
	client, setTime := testredis.MiniAt(t, time.Now())
	store := newStore(t, client)
	ctx, start := t.Context(), time.Now()
	key, first := createKey(t, store, &tokenstorev1.ClientKey{Name: "n"})
	rotate := func(keep time.Duration) secret.Value {
		t.Helper()
		now, made, err := store.RotateClientKey(ctx, key.GetId(), keep, 0)
		if err != nil || now.GetMaskedSecret() != clientkey.Masked(made) || (now.GetOldSecretUntil() != nil) != (keep > 0) {
			t.Fatal(now, err)
		}
		return made
	}
	second := rotate(time.Hour)
	if _, until, err := whose(t, store, first); err != nil || until.Sub(start).Round(time.Minute) != time.Hour {
		t.Errorf("the old one goes on until %v, %v", until, err)
	}
	if _, until, err := whose(t, store, second); err != nil || !until.IsZero() {
		t.Errorf("the new one: %v, %v", until, err)
	}
	third := rotate(2 * time.Hour)
	wantNobodys(t, store, first)
	listed := listKeys(t, store, ClientKeyFilter{})
	if listed[0].GetKey().GetOldSecretUntil() == nil {
		t.Error("the list does not tell of the old secret")
	}
	setTime(start.Add(2*time.Hour + time.Second))
	wantNobodys(t, store, second)
	if listed = listKeys(t, store, ClientKeyFilter{}); listed[0].GetKey().GetOldSecretUntil() != nil {
		t.Error("the list tells of a secret that has ended")
	}
	if got, err := store.GetClientKey(ctx, key.GetId()); err != nil || got.GetOldSecretUntil() != nil || got.GetVersion() != 3 {
		t.Errorf("%v, %v", got, err)
	}
	rotate(0)
	wantNobodys(t, store, third)

	for _, keep := range []time.Duration{-1, maxKeepOld + 1} {
		_, _, err := store.RotateClientKey(ctx, key.GetId(), keep, 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	}
	_, _, err := store.RotateClientKey(ctx, key.GetId(), 0, 1)
	wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
}

// A deleted key can be restored for a day; then nothing is left of it.
func TestTheTrashOfClientKeys(t *testing.T) {
	t.Parallel()
	client, setTime := testredis.MiniAt(t, time.Now())
	store := newStore(t, client)
	ctx, start := t.Context(), time.Now()
	key, _ := createKey(t, store, &tokenstorev1.ClientKey{Name: "old"})
	if err := store.DeleteClientKey(ctx, key.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	deleted := ClientKeyFilter{State: tokenstorev1.KeyState_KEY_STATE_DELETED}
	if listed := listKeys(t, store, deleted); len(listed) != 1 || listed[0].GetDeletedAt() == nil {
		t.Errorf("in the trash: %v", listed)
	}
	if listed := listKeys(t, store, ClientKeyFilter{}); len(listed) != 0 {
		t.Errorf("beside the trash: %v", listed)
	}
	setTime(start.Add(clientKeyTrashTTL + time.Minute))
	if _, err := store.RestoreClientKey(ctx, key.GetId()); !rpcerr.Is(err, noKey) || !strings.Contains(err.Error(), "last 24 hours") {
		t.Errorf("restored: %v", err)
	}
	if listed := listKeys(t, store, deleted); len(listed) != 0 {
		t.Errorf("still in the trash: %v", listed)
	}
	createKey(t, store, &tokenstorev1.ClientKey{Name: "new"})
	if left := client.ZCard(ctx, clientKeyChangesKey()).Val() + client.ZCard(ctx, clientKeyTrashKey()).Val(); left != 1 {
		t.Errorf("%d are left, want the new one", left)
	}
}

// Of more deleted keys than are kept, those that were deleted first are forgotten; that they were
// deleted stays known until every tokenstore has heard of it.
func TestTheTrashOfClientKeysIsBounded(t *testing.T) {
	t.Parallel()
	client, setTime := testredis.MiniAt(t, epoch2026)
	store := newStore(t, client)
	ctx := t.Context()
	const most = 2
	var ids []string
	for i := range 4 {
		setTime(epoch2026.Add(time.Duration(i) * time.Second))
		key, _ := createKey(t, store, &tokenstorev1.ClientKey{Name: "old"})
		ids = append(ids, key.GetId())
		err := deleteClientKeyScript.run(ctx, client, allClientKeyKeys(key.GetId()),
			key.GetId(), 0, clientKeyTrashTTL.Milliseconds(), most, poolChannel).Err()
		if err != nil {
			t.Fatal(err)
		}
	}
	kept := func() (hashes int64, changes int64) {
		for _, id := range ids {
			hashes += client.Exists(ctx, clientKeyKey(id)).Val()
		}
		return hashes, client.ZCard(ctx, clientKeyChangesKey()).Val()
	}
	if hashes, changes := kept(); hashes != most || changes != 4 {
		t.Errorf("%d are kept, %d deletions known", hashes, changes)
	}
	_, err := store.RestoreClientKey(ctx, ids[0])
	wantReason(t, err, noKey)
	if _, err := store.RestoreClientKey(ctx, ids[3]); err != nil {
		t.Error(err)
	}
	setTime(epoch2026.Add(2 * time.Hour))
	for range 2 {
		key, _ := createKey(t, store, &tokenstorev1.ClientKey{Name: "new"})
		ids = append(ids, key.GetId())
		err := deleteClientKeyScript.run(ctx, client, allClientKeyKeys(key.GetId()),
			key.GetId(), 0, clientKeyTrashTTL.Milliseconds(), most, poolChannel).Err()
		if err != nil {
			t.Fatal(err)
		}
	}
	if hashes, changes := kept(); hashes != most+1 || changes != most+1 {
		t.Errorf("an hour later %d are kept, %d deletions known", hashes, changes)
	}
}

func TestListClientKeys(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		for _, said := range []*tokenstorev1.ClientKey{
			{Name: "alpha", Tags: []string{"Team-A", "ci"}},
			{Name: "beta", Disabled: true},
			{Name: "Gamma", Tags: []string{"ci"}},
			{Name: "delta"},
			{Name: "epsilon"},
		} {
			createKey(t, store, said)
		}
		all := listKeys(t, store, ClientKeyFilter{})
		over := &tokenstorev1.ClientKey{ExpiresAt: timestamppb.New(time.Now().Add(-time.Minute))}
		if _, err := store.UpdateClientKey(ctx, all[1].GetKey().GetId(), over, []string{"expires_at"}, 0); err != nil {
			t.Fatal(err)
		}
		if err := store.DeleteClientKey(ctx, all[0].GetKey().GetId(), 0); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			filter ClientKeyFilter
			want   string
		}{
			"all":         {ClientKeyFilter{}, "delta Gamma beta alpha"},
			"active":      {ClientKeyFilter{State: tokenstorev1.KeyState_KEY_STATE_ACTIVE}, "Gamma alpha"},
			"disabled":    {ClientKeyFilter{State: tokenstorev1.KeyState_KEY_STATE_DISABLED}, "beta"},
			"expired":     {ClientKeyFilter{State: tokenstorev1.KeyState_KEY_STATE_EXPIRED}, "delta"},
			"deleted":     {ClientKeyFilter{State: tokenstorev1.KeyState_KEY_STATE_DELETED}, "epsilon"},
			"a name":      {ClientKeyFilter{Query: "GAMM"}, "Gamma"},
			"a tag found": {ClientKeyFilter{Query: "team-a"}, "alpha"},
			"an id":       {ClientKeyFilter{Query: strings.ToUpper(all[3].GetKey().GetId()[:9])}, "beta"},
			"a tag":       {ClientKeyFilter{Tag: "ci"}, "Gamma alpha"},
			"part of one": {ClientKeyFilter{Tag: "c"}, ""},
			"both":        {ClientKeyFilter{Tag: "ci", Query: "alp"}, "alpha"},
			"nothing":     {ClientKeyFilter{Query: "alphaTeam"}, ""},
		} {
			if got := namesOf(listKeys(t, store, c.filter)); got != c.want {
				t.Errorf("%s: %s, want %s, of %v", name, got, c.want, all)
			}
		}
		_, err := store.ListClientKeys(ctx, ClientKeyFilter{}, 5, "nonsense!")
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}

// A cursor holds its place whatever is created and deleted meanwhile.
func TestPagesOfClientKeys(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		for i := range 7 {
			createKey(t, store, &tokenstorev1.ClientKey{Name: fmt.Sprint(i)})
		}
		first, err := store.ListClientKeys(ctx, ClientKeyFilter{}, 3, "")
		if err != nil || namesOf(first.Keys) != "6 5 4" || first.Total != 7 {
			t.Fatal(first, err)
		}
		createKey(t, store, &tokenstorev1.ClientKey{Name: "new"})
		for _, each := range listKeys(t, store, ClientKeyFilter{}) {
			if slices.Contains([]string{"4", "3"}, each.GetKey().GetName()) {
				if err := store.DeleteClientKey(ctx, each.GetKey().GetId(), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		rest, err := store.ListClientKeys(ctx, ClientKeyFilter{}, 3, first.Next)
		if err != nil || namesOf(rest.Keys) != "2 1 0" || rest.Next != "" || rest.Total != 6 {
			t.Error(rest, err)
		}
	})
}

// What one tokenstore changes the other lists at once, also after Redis has other data.
func TestListsOfTwoTokenstores(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	one, other := newStore(t, client), newStore(t, client)
	ctx := t.Context()
	for i := range clientKeysStep + 3 {
		createKey(t, one, &tokenstorev1.ClientKey{Name: fmt.Sprint(i)})
	}
	page, err := other.ListClientKeys(ctx, ClientKeyFilter{}, 2, "")
	if err != nil || page.Total != clientKeysStep+3 || namesOf(page.Keys) != "502 501" {
		t.Fatal(page, err)
	}
	id := page.Keys[1].GetKey().GetId()
	if _, err := one.UpdateClientKey(ctx, id, &tokenstorev1.ClientKey{Name: "renamed"}, []string{"name"}, 0); err != nil {
		t.Fatal(err)
	}
	if page, err = other.ListClientKeys(ctx, ClientKeyFilter{}, 2, ""); err != nil || namesOf(page.Keys) != "502 renamed" {
		t.Fatal(page, err)
	}
	for _, key := range client.Keys(ctx, clientKeyPrefix+"*").Val() {
		client.Del(ctx, key)
	}
	if page, err = other.ListClientKeys(ctx, ClientKeyFilter{}, 2, ""); err != nil || page.Total != 0 {
		t.Errorf("of data that are gone: %v, %v", page, err)
	}
	createKey(t, one, &tokenstorev1.ClientKey{Name: "again"})
	if got := namesOf(listKeys(t, other, ClientKeyFilter{})); got != "again" {
		t.Errorf("afterwards: %s", got)
	}
}

func TestClientKeysThatCantBe(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Mini(t))
	ctx := t.Context()
	_, _, err := store.CreateClientKey(ctx, &tokenstorev1.ClientKey{Name: " ", ExpiresAt: timestamppb.Now()})
	if wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT); !strings.Contains(err.Error(), "name: ") || !strings.Contains(err.Error(), "expires_at: ") {
		t.Errorf("it names not both: %v", err)
	}
	key, _ := createKey(t, store, &tokenstorev1.ClientKey{Name: "n"})
	for _, names := range [][]string{nil, {"id"}, {"masked_secret"}, {"tags", "nothing"}} {
		_, err := store.UpdateClientKey(ctx, key.GetId(), &tokenstorev1.ClientKey{Tags: []string{"t"}}, names, 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	}
	if _, err := store.UpdateClientKey(ctx, key.GetId(), &tokenstorev1.ClientKey{ExpiresAt: timestamppb.Now()}, []string{"expires_at"}, 0); err != nil {
		t.Errorf("an end of now: %v", err)
	}
}

func TestClientKeysAreBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		key, _ := createKey(t, store, &tokenstorev1.ClientKey{Name: "deleted"})
		if err := store.DeleteClientKey(ctx, key.GetId(), 0); err != nil {
			t.Fatal(err)
		}
		fillClientKeys(t, store, clientkey.MaxKeys-1)
		createKey(t, store, &tokenstorev1.ClientKey{Name: "last"})
		_, _, err := store.CreateClientKey(ctx, &tokenstorev1.ClientKey{Name: "one more"})
		if wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT); !strings.Contains(err.Error(), "100000 client keys") {
			t.Error(err)
		}
		_, err = store.RestoreClientKey(ctx, key.GetId())
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}

// fillClientKeys pretends that there are many keys.
func fillClientKeys(t *testing.T, store *Store, count int) {
	t.Helper()
	const step = 1000
	for from := 0; from < count; from += step {
		var members []redis.Z
		for i := from; i < min(from+step, count); i++ {
			members = append(members, redis.Z{Score: float64(i), Member: fmt.Sprint("k", i)})
		}
		if err := store.client.ZAdd(t.Context(), clientKeyIDsKey(), members...).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// Of edits at once each is made: of different fields none takes back another's.
func TestEditsOfAClientKeyAtOnce(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	stores := []*Store{newStore(t, client), newStore(t, client)}
	key, _ := createKey(t, stores[0], &tokenstorev1.ClientKey{Name: "n"})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			edit, name := &tokenstorev1.ClientKey{Tags: []string{"t"}}, "tags"
			if i%2 == 0 {
				edit, name = &tokenstorev1.ClientKey{Models: []string{"m"}}, "models"
			}
			if _, err := stores[i%2].UpdateClientKey(t.Context(), key.GetId(), edit, []string{name}, 0); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	var won atomic.Int32
	for i := range 8 {
		group.Go(func() {
			_, err := stores[i%2].UpdateClientKey(t.Context(), key.GetId(), &tokenstorev1.ClientKey{Name: fmt.Sprint(i)}, []string{"name"}, 9)
			if err == nil {
				won.Add(1)
			} else if !rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	now, err := stores[0].GetClientKey(t.Context(), key.GetId())
	if err != nil || len(now.GetTags()) != 1 || len(now.GetModels()) != 1 || now.GetVersion() != 10 || won.Load() != 1 {
		t.Errorf("%v, %d have won, %v", now, won.Load(), err)
	}
}

// Requests see a change of this tokenstore at once, one of another within half a second.
func TestClientKeysOfRequests(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	store, other := newStore(t, client), newStore(t, client)
	ctx := t.Context()
	key, _ := createKey(t, store, &tokenstorev1.ClientKey{Name: "n"})
	seen := func(store *Store) string {
		t.Helper()
		got, err := store.ClientKey(ctx, key.GetId())
		if err != nil {
			t.Fatal(err)
		}
		return got.GetName()
	}
	rename := func(store *Store, name string) {
		t.Helper()
		if _, err := store.UpdateClientKey(ctx, key.GetId(), &tokenstorev1.ClientKey{Name: name}, []string{"name"}, 0); err != nil {
			t.Fatal(err)
		}
	}
	knowUntil := func(until time.Time) {
		known := store.knownKeys.keys[key.GetId()]
		known.until = until
		store.knownKeys.keys[key.GetId()] = known
	}
	seen(store)
	rename(store, "second")
	if got := seen(store); got != "second" {
		t.Errorf("after its own change it sees %s", got)
	}
	knowUntil(time.Now().Add(time.Hour)) // however long the test takes
	rename(other, "third")
	if got := seen(store); got != "second" {
		t.Errorf("it has asked again: %s", got)
	}
	knowUntil(time.Now())
	if got := seen(store); got != "third" {
		t.Errorf("after half a second it sees %s", got)
	}
}

// What is read while the key changes is not remembered.
func TestAClientKeyThatChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	var k knownKeys
	now := time.Now()
	_, forgotten := k.get("a", now)
	k.forget("a")
	k.put("a", knownKey{&tokenstorev1.ClientKey{}, now.Add(time.Hour)}, forgotten)
	if known, _ := k.get("a", now); known != nil {
		t.Error("it is remembered")
	}
	_, forgotten = k.get("a", now)
	for i := range 2*maxKnownKeys + 1 {
		k.put(fmt.Sprint(i), knownKey{&tokenstorev1.ClientKey{}, now.Add(time.Hour)}, forgotten)
	}
	if len(k.keys) > maxKnownKeys {
		t.Errorf("it remembers %d", len(k.keys))
	}
	k.forgetAll()
	if len(k.keys) != 0 {
		t.Error("it has not forgotten")
	}
}

// A change is told once it is written, and acknowledged once it is on disk.
func TestChangesOfClientKeysAreTold(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		subscription := store.client.Subscribe(ctx, poolChannel)
		t.Cleanup(func() { _ = subscription.Close() })
		if _, err := subscription.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		told := subscription.Channel()
		key, _ := createKey(t, store, &tokenstorev1.ClientKey{Name: "n"})
		for name, err := range map[string]error{
			"update":  second(store.UpdateClientKey(ctx, key.GetId(), &tokenstorev1.ClientKey{Name: "m"}, []string{"name"}, 0)),
			"rotate":  third(store.RotateClientKey(ctx, key.GetId(), 0, 0)),
			"delete":  store.DeleteClientKey(ctx, key.GetId(), 0),
			"restore": second(store.RestoreClientKey(ctx, key.GetId())),
		} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for range 5 {
			select {
			case message := <-told:
				if message.Payload != "key "+key.GetId() {
					t.Errorf("told %q", message.Payload)
				}
			case <-time.After(testredis.Timeout):
				t.Fatal("a change was not told")
			}
		}
	})
}

func TestChangesOfClientKeysWaitForTheDisk(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Start(t))
	ctx := t.Context()
	key, _ := createKey(t, store, &tokenstorev1.ClientKey{Name: "n"})
	store.barrier.Barrier = BarrierFunc(func(context.Context) error { return notSaved("the disk is full") })
	for name, err := range map[string]error{
		"create": third(store.CreateClientKey(ctx, &tokenstorev1.ClientKey{Name: "n"})),
		"rotate": third(store.RotateClientKey(ctx, key.GetId(), 0, 0)),
		"update": second(store.UpdateClientKey(ctx, key.GetId(), &tokenstorev1.ClientKey{Name: "m"}, []string{"name"}, 0)),
		"delete": store.DeleteClientKey(ctx, key.GetId(), 0),
	} {
		if !isUnavailable(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := store.RestoreClientKey(ctx, key.GetId()); !isUnavailable(err) {
		t.Errorf("restore: %v", err)
	}
}

// What was acknowledged is there after Redis was killed, and what the list had beside that is not.
func TestClientKeysSurviveACrash(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t, "--appendfsync", "always")
	store := newStore(t, server.Client(t))
	ctx := t.Context()
	key, made := createKey(t, store, &tokenstorev1.ClientKey{Name: "n"})
	gone, _ := createKey(t, store, &tokenstorev1.ClientKey{Name: "gone"})
	if err := store.DeleteClientKey(ctx, gone.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Start(t)
	again := storeOf(t, server, store.keys)
	if err := again.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	if got, _, err := whose(t, again, made); err != nil || !proto.Equal(got, key) {
		t.Errorf("%v, %v", got, err)
	}
	if got := namesOf(listKeys(t, again, ClientKeyFilter{})); got != "n" {
		t.Errorf("listed: %s", got)
	}
	if _, err := again.RestoreClientKey(ctx, gone.GetId()); err != nil {
		t.Error(err)
	}
}

// Each change has a mark that none before had, also where the clock or the data went back.
func TestMarksOfChangesOnlyGrow(t *testing.T) {
	t.Parallel()
	client, setTime := testredis.MiniAt(t, time.Now())
	store := newStore(t, client)
	start := time.Now()
	mark := func() int64 {
		createKey(t, store, &tokenstorev1.ClientKey{Name: "n"})
		n, err := client.Get(t.Context(), clientKeyMarkKey()).Int64()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first, second := mark(), mark()
	setTime(start.Add(-time.Hour))
	third := mark()
	if second != first+1 || third != second+1 {
		t.Errorf("%d, %d, %d", first, second, third)
	}
	setTime(start.Add(time.Second))
	if fourth := mark(); fourth < first+900_000 {
		t.Errorf("a second later it is %d, after %d", fourth, first)
	}
}

// A deletion and a restoration of a key may come at once: what the key has used is kept as long as
// the key is there.
func TestALedgerThatIsForgottenLate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// at is where the slower of two tokenstores is overtaken.
		at     func(id string) string
		before func(ctx context.Context, store *Store, id string) error
		late   func(ctx context.Context, store *Store, id string) error
		by     func(ctx context.Context, store *Store, id string) error
	}{
		"a restoration within a deletion": {
			at:     ledgerKey,
			before: func(context.Context, *Store, string) error { return nil },
			late:   func(ctx context.Context, store *Store, id string) error { return store.DeleteClientKey(ctx, id, 0) },
			by: func(ctx context.Context, store *Store, id string) error {
				_, err := store.RestoreClientKey(ctx, id)
				return err
			},
		},
		"the end of a deletion within a restoration": {
			at:     func(string) string { return restoreClientKeyScript.loaded().redis.Hash() },
			before: func(ctx context.Context, store *Store, id string) error { return store.DeleteClientKey(ctx, id, 0) },
			late: func(ctx context.Context, store *Store, id string) error {
				_, err := store.RestoreClientKey(ctx, id)
				return err
			},
			by: func(ctx context.Context, store *Store, id string) error { return store.ForgetLedger(ctx, id) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
				ctx, store := t.Context(), newStore(t, client)
				limited := limitedKey("", unitTokens, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, 300)
				limited.Name = "limited"
				key, _ := createKey(t, store, limited)
				till := newTill(t, store, key, "b")
				till.post(1, ledger.Amounts{})
				till.pay(1)
				till.post(0, ledger.Amounts{})
				if err := c.before(ctx, store, key.GetId()); err != nil {
					t.Fatal(err)
				}
				slow := redis.NewClient(client.(*redis.Client).Options())
				defer func() { _ = slow.Close() }()
				other := New(slow, Options{Keys: store.keys, Defaults: store.defaults, Logger: store.log, Barrier: store.barrier})
				slow.AddHook(&overtaken{at: c.at(key.GetId()), by: func() {
					if err := c.by(ctx, store, key.GetId()); err != nil {
						t.Error(err)
					}
				}})
				if err := c.late(ctx, other, key.GetId()); err != nil {
					t.Error(err)
				}
				if _, err := store.GetClientKey(ctx, key.GetId()); err != nil {
					t.Fatal(err)
				}
				if left := client.TTL(ctx, ledgerKey(key.GetId())).Val(); left != -1 {
					t.Errorf("what the key has used is forgotten in %s", left)
				}
			})
		})
	}
}
