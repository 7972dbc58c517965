package redisstore

import (
	"slices"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/clientkey"
)

// A client key that is put has its old secret, whether it is there, deleted or not there at all;
// one that has changed meanwhile stays as it is.
func TestRestoreClientKeys(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		var ids []string
		for _, name := range []string{"rotated", "deleted", "ahead"} {
			key, _, err := store.CreateClientKey(ctx, &tokenstorev1.ClientKey{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, key.GetId())
		}
		kept, err := store.KeptClientKeys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.RotateClientKey(ctx, ids[0], time.Hour, 0); err != nil {
			t.Fatal(err)
		}
		if err := store.DeleteClientKey(ctx, ids[1], 0); err != nil {
			t.Fatal(err)
		}
		if _, err := store.UpdateClientKey(ctx, ids[2], &tokenstorev1.ClientKey{Name: "further"}, []string{"name"}, 0); err != nil {
			t.Fatal(err)
		}
		kept[0].Version, kept[1].Version = 2, 0
		foreign := clientkey.NewID()
		secretOf := clientkey.NewSecret(foreign)
		hash := clientkey.Hash(secretOf)
		created := time.UnixMilli(1_700_000_000_000)
		kept = append(kept, KeptClientKey{BackupClientKey: &tokenstorev1.BackupClientKey{
			Key:        &tokenstorev1.ClientKey{Id: foreign, Name: "foreign", MaskedSecret: clientkey.Masked(secretOf), CreatedAt: timestamp(created)},
			SecretHash: hash[:],
		}})
		problems, err := store.RestoreClientKeys(ctx, kept)
		if want := []string{"", "", changedMeanwhile, ""}; err != nil || !slices.Equal(problems, want) {
			t.Fatalf("problems %q, %v, want %q", problems, err, want)
		}
		for _, i := range []int{0, 1, 3} {
			id := kept[i].GetKey().GetId()
			key, until, err := store.ResolveClientKey(ctx, id, kept[i].SecretHash)
			if err != nil || !until.IsZero() || key.GetName() != kept[i].GetKey().GetName() {
				t.Errorf("%s: %v until %v, %v", kept[i].GetKey().GetName(), key, until, err)
			}
			if !key.GetCreatedAt().AsTime().Equal(kept[i].GetKey().GetCreatedAt().AsTime()) {
				t.Errorf("%s: created at %v, want %v", key.GetName(), key.GetCreatedAt().AsTime(), kept[i].GetKey().GetCreatedAt().AsTime())
			}
			if ttl := store.client.PTTL(ctx, clientKeyKey(id)).Val(); ttl >= 0 {
				t.Errorf("%s: it expires in %v", key.GetName(), ttl)
			}
		}
		now, err := store.KeptClientKeys(ctx)
		if err != nil || len(now) != 4 || now[3].GetKey().GetName() != "foreign" {
			t.Errorf("there are %d, %v", len(now), err)
		}
		if trash := store.client.ZCard(ctx, clientKeyTrashKey()).Val(); trash != 0 {
			t.Errorf("%d in the trash", trash)
		}
	})
}
