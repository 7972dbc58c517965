package grpcapi_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/ledger"
	"carousel.internal/tokenstore/internal/testredis"
)

func TestKeyCalls(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		served := start(t, client)
		keys := tokenstorev1.NewKeyServiceClient(served.conn)
		create := func(key *tokenstorev1.ClientKey) *tokenstorev1.CreateKeyResponse {
			t.Helper()
			made, err := keys.CreateKey(ctx, &tokenstorev1.CreateKeyRequest{Key: key})
			if err != nil {
				t.Fatal(err)
			}
			return made
		}
		resolve := func(id, secret string) (*tokenstorev1.ResolveKeyResponse, error) {
			hash := sha256.Sum256([]byte(secret))
			return keys.ResolveKey(ctx, &tokenstorev1.ResolveKeyRequest{Id: id, SecretHash: hash[:]})
		}
		limited := create(&tokenstorev1.ClientKey{Name: "limited", Limits: []*tokenstorev1.KeyLimit{
			{Unit: tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, Period: tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, Amount: 60},
		}})
		free := create(&tokenstorev1.ClientKey{Name: "free"})
		id := limited.GetKey().GetId()
		for sequence, spent := range []uint64{0, 30} {
			statement := ledger.Statement{Sequence: uint64(sequence + 1), Spent: ledger.Amounts{Requests: spent}}
			if _, err := served.store.Post(ctx, limited.GetKey(), ledger.Posting{Book: "book", TTL: time.Minute, Statement: &statement}); err != nil {
				t.Fatal(err)
			}
		}

		got, err := keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: id})
		if err != nil || got.GetKey().GetName() != "limited" || len(got.GetStanding()) != 1 || got.GetStanding()[0].GetUsed() != 30 {
			t.Errorf("get: %v, %v", got, err)
		}
		list, err := keys.ListKeys(ctx, &tokenstorev1.ListKeysRequest{Limit: 1})
		if err != nil || list.GetTotal() != 2 || list.GetKeys()[0].GetKey().GetId() != free.GetKey().GetId() || list.GetKeys()[0].GetStanding() != nil {
			t.Errorf("list: %v, %v", list, err)
		}
		list, err = keys.ListKeys(ctx, &tokenstorev1.ListKeysRequest{Cursor: list.GetNextCursor()})
		if err != nil || len(list.GetKeys()) != 1 || list.GetKeys()[0].GetStanding()[0].GetUsed() != 30 || list.GetNextCursor() != "" {
			t.Errorf("its next page: %v, %v", list, err)
		}
		list, err = keys.ListKeys(ctx, &tokenstorev1.ListKeysRequest{Limit: 1000, OmitStanding: true})
		if err != nil || len(list.GetKeys()) != 2 || list.GetKeys()[1].GetStanding() != nil {
			t.Errorf("without what is used: %v, %v", list, err)
		}

		updated, err := keys.UpdateKey(ctx, &tokenstorev1.UpdateKeyRequest{
			Key: &tokenstorev1.ClientKey{Id: id, Disabled: true}, UpdateMask: mask("disabled"), ExpectedVersion: 1,
		})
		if err != nil || !updated.GetKey().GetDisabled() || updated.GetKey().GetName() != "limited" {
			t.Errorf("update: %v, %v", updated, err)
		}
		if whose, err := resolve(id, limited.GetSecret()); err != nil || !whose.GetKey().GetDisabled() || whose.GetSecretUntil() != nil {
			t.Errorf("resolve: %v, %v", whose, err)
		}
		rotated, err := keys.RotateKey(ctx, &tokenstorev1.RotateKeyRequest{Id: id, KeepOldFor: durationpb.New(time.Hour)})
		if err != nil || rotated.GetSecret() == limited.GetSecret() || rotated.GetKey().GetOldSecretUntil() == nil {
			t.Errorf("rotate: %v, %v", rotated, err)
		}
		if whose, err := resolve(id, limited.GetSecret()); err != nil || whose.GetSecretUntil() == nil {
			t.Errorf("resolve the old secret: %v, %v", whose, err)
		}
		if _, err := keys.DeleteKey(ctx, &tokenstorev1.DeleteKeyRequest{Id: id, ExpectedVersion: 3}); err != nil {
			t.Error(err)
		}
		_, err = resolve(id, rotated.GetSecret())
		wantReason(t, err, tokenstorev1.Reason_REASON_KEY_NOT_FOUND, codes.NotFound)
		deleted, err := keys.ListKeys(ctx, &tokenstorev1.ListKeysRequest{State: tokenstorev1.KeyState_KEY_STATE_DELETED})
		if err != nil || len(deleted.GetKeys()) != 1 || deleted.GetKeys()[0].GetDeletedAt() == nil {
			t.Errorf("deleted: %v, %v", deleted, err)
		}
		if restored, err := keys.RestoreKey(ctx, &tokenstorev1.RestoreKeyRequest{Id: id}); err != nil || restored.GetKey().GetVersion() != 5 {
			t.Errorf("restore: %v, %v", restored, err)
		}
	})
}

func TestKeyCallsThatAreRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	keys := tokenstorev1.NewKeyServiceClient(start(t, testredis.Mini(t)).conn)
	invalid := func(name string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s is taken", name)
		}
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
	}
	_, err := keys.CreateKey(ctx, &tokenstorev1.CreateKeyRequest{})
	invalid("no key", err)
	_, err = keys.CreateKey(ctx, &tokenstorev1.CreateKeyRequest{Key: &tokenstorev1.ClientKey{}})
	invalid("a key without a name", err)
	_, err = keys.UpdateKey(ctx, &tokenstorev1.UpdateKeyRequest{})
	invalid("a change of no key", err)
	_, err = keys.ListKeys(ctx, &tokenstorev1.ListKeysRequest{Limit: 1001})
	invalid("a long page", err)
	_, err = keys.ListKeys(ctx, &tokenstorev1.ListKeysRequest{State: 99})
	invalid("another state", err)
	_, err = keys.ListKeys(ctx, &tokenstorev1.ListKeysRequest{Cursor: "!"})
	invalid("another's cursor", err)
	_, err = keys.RotateKey(ctx, &tokenstorev1.RotateKeyRequest{Id: "aaaaaaaaaaaaaaaa", KeepOldFor: durationpb.New(91 * 24 * time.Hour)})
	invalid("an old secret for long", err)
	_, err = keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: "aaaaaaaaaaaaaaaa"})
	wantReason(t, err, tokenstorev1.Reason_REASON_KEY_NOT_FOUND, codes.NotFound)
}
