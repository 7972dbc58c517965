package redisstore

import (
	"bytes"
	"encoding/hex"
	"strings"
	"sync"
	"testing"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

func TestClaimAdminToken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		_, _, err := store.ClaimAdminToken(t.Context(), []byte("short"))
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		var mu sync.Mutex
		var winners int
		var hashes [][]byte
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				mine := bytes.Repeat([]byte{byte(i)}, 32)
				hash, claimed, err := store.ClaimAdminToken(t.Context(), mine)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				hashes = append(hashes, hash)
				if claimed {
					winners++
					if !bytes.Equal(hash, mine) {
						t.Error("the winner got another hash")
					}
				}
			})
		}
		group.Wait()
		for _, hash := range hashes {
			if !bytes.Equal(hash, hashes[0]) {
				t.Error("different answers")
			}
		}
		if winners != 1 {
			t.Errorf("%d winners", winners)
		}
	})
}

// adminHashOf returns the hash that gateways are told.
func adminHashOf(t *testing.T, store *Store) []byte {
	t.Helper()
	now, err := store.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return now.GetAdminTokenHash()
}

// Who can write to Redis, and has no seal key, can't become the admin.
func TestForgedAdminToken(t *testing.T) {
	t.Parallel()
	own, evil, next := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)
	for name, forge := range map[string]func(stored string) string{
		"a hash alone": func(string) string { return hex.EncodeToString(evil) },
		"with the signature of another": func(stored string) string {
			_, signature, _ := strings.Cut(stored, " ")
			return hex.EncodeToString(evil) + " " + signature
		},
		"not a hash": func(string) string { return "hello" },
		"cut":        func(stored string) string { return stored[:len(stored)-2] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testredis.NewServer(t)
			client := server.Client(t)
			store := newStore(t, client)
			create(t, store, draft("cursor", "secret-of-a-token"))
			if _, claimed, err := store.ClaimAdminToken(t.Context(), own); err != nil || !claimed || !bytes.Equal(adminHashOf(t, store), own) {
				t.Fatal(claimed, err)
			}
			if err := client.Set(t.Context(), adminTokenKey(), forge(client.Get(t.Context(), adminTokenKey()).Val()), 0).Err(); err != nil {
				t.Fatal(err)
			}
			if hash := adminHashOf(t, store); hash != nil {
				t.Errorf("gateways are told %x", hash)
			}
			if err := client.Del(t.Context(), sealsKey()).Err(); err != nil { // as data of before have none
				t.Fatal(err)
			}
			restarted := storeOf(t, server, store.keys)
			if err := restarted.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			if hash := adminHashOf(t, restarted); hash != nil {
				t.Errorf("after a restart without check values gateways are told %x", hash)
			}
			hash, claimed, err := restarted.ClaimAdminToken(t.Context(), next)
			if err != nil || !claimed || !bytes.Equal(hash, next) || !bytes.Equal(adminHashOf(t, store), next) {
				t.Errorf("the next claim: %x, %v, %v", hash, claimed, err)
			}
		})
	}
}

// The admin token of before there were signatures is taken over, once.
func TestAdminTokenOfBeforeIsSigned(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	client := server.Client(t)
	own := bytes.Repeat([]byte{1}, 32)
	if err := client.Set(t.Context(), adminTokenKey(), hex.EncodeToString(own), 0).Err(); err != nil {
		t.Fatal(err)
	}
	store := newStore(t, client)
	if hash := adminHashOf(t, store); !bytes.Equal(hash, own) {
		t.Errorf("gateways are told %x", hash)
	}
	if hash, claimed, err := store.ClaimAdminToken(t.Context(), bytes.Repeat([]byte{2}, 32)); err != nil || claimed || !bytes.Equal(hash, own) {
		t.Errorf("a claim: %x, %v, %v", hash, claimed, err)
	}
}

// A new seal key changes nobody's admin token: before, while and after it is resealed; and
// who has not heard of that key replaces nothing.
func TestAdminTokenUnderAnotherKey(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	store := newStore(t, server.Client(t))
	own := bytes.Repeat([]byte{1}, 32)
	if _, _, err := store.ClaimAdminToken(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	k1, k2 := keyLine1("k1", 'a'), keyLine1("k2", 'b')
	both := storeOf(t, server, testKeys(t, k2+k1))
	for _, step := range []func() error{
		func() error { return both.Prepare(t.Context()) },
		func() error { _, err := both.Reseal(t.Context()); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		if hash := adminHashOf(t, both); !bytes.Equal(hash, own) {
			t.Errorf("gateways are told %x", hash)
		}
	}
	alone := storeOf(t, server, testKeys(t, k2))
	if err := alone.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if hash := adminHashOf(t, alone); !bytes.Equal(hash, own) {
		t.Errorf("without the old key gateways are told %x", hash)
	}
	_, _, err := store.ClaimAdminToken(t.Context(), bytes.Repeat([]byte{2}, 32))
	wantReason(t, err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE)
	if hash := adminHashOf(t, alone); !bytes.Equal(hash, own) {
		t.Errorf("who has the old key alone has replaced it: %x", hash)
	}
}
