package redisstore

import (
	"fmt"
	"testing"

	"carousel.internal/proto/service/secret"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
)

func testCredential(text string) leasing.Credential {
	return leasing.Credential{Secret: secret.New(text)}
}

// What is remembered is at least as new as what is asked for.
func TestCredentialsAreNeverOlderThanTheirLease(t *testing.T) {
	t.Parallel()
	var c credentials
	c.put("a", 3, testCredential("third"), 0)
	c.put("a", 2, testCredential("second, read before and told later"), 0)
	for version, want := range map[uint64]bool{1: true, 3: true, 4: false} {
		got, found, _ := c.get("a", version)
		if found != want || found && got.Secret.Reveal() != "third" {
			t.Errorf("version %d: %q, %v", version, got.Secret.Reveal(), found)
		}
	}
	c.put("a", 4, testCredential("fourth"), 0)
	if got, found, _ := c.get("a", 4); !found || got.Secret.Reveal() != "fourth" {
		t.Errorf("%q, %v", got.Secret.Reveal(), found)
	}
}

func TestCredentialsAreForgotten(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(*credentials){
		"one": func(c *credentials) { c.forget("a") },
		"all": (*credentials).forgetAll,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c credentials
			_, _, before := c.get("a", 1)
			c.put("a", 1, testCredential("x"), before)
			forget(&c)
			if _, found, _ := c.get("a", 0); found {
				t.Error("still there")
			}
			c.put("a", 1, testCredential("x"), before) // was being read meanwhile
			if _, found, _ := c.get("a", 0); found {
				t.Error("there again")
			}
		})
	}
}

func TestCredentialsAreBounded(t *testing.T) {
	t.Parallel()
	var c credentials
	for i := range 2*maxCredentials + 7 {
		c.put(fmt.Sprint(i), 1, testCredential("x"), 0)
	}
	if len(c.opened) > maxCredentials {
		t.Errorf("%d are remembered", len(c.opened))
	}
}

// The secrets of a deleted token leave the memory of every store.
func TestSecretsOfDeletedTokensLeave(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, here *Store) {
		there := New(here.client, Options{Keys: here.keys, Defaults: here.defaults, Logger: here.log})
		events := make(chan Event, 100)
		done := make(chan struct{})
		t.Cleanup(func() { <-done })
		go func() { // ends with the test's context
			defer close(done)
			there.Listen(t.Context(), func(event Event) { events <- event })
		}()
		<-events // the first is a Resync
		id := create(t, here, draft("cursor", "secret")).GetId()
		if _, err := there.Credential(t.Context(), id, 1); err != nil {
			t.Fatal(err)
		}
		if err := here.DeleteToken(t.Context(), id, 0); err != nil {
			t.Fatal(err)
		}
		waitUntil(t, "the secret is forgotten", func() bool {
			_, found, _ := there.credentials.get(id, 0)
			return !found
		})
		if _, err := there.Credential(t.Context(), id, 1); err == nil {
			t.Error("a deleted token's credential")
		}
	})
}

// Nor do they stay when the deletion was missed.
func TestAResyncForgetsSecrets(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t, "--appendfsync", "always")
	store := newStore(t, server.Client(t))
	id := create(t, store, draft("cursor", "secret")).GetId()
	events := make(chan Event, 100)
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() { // ends with the test's context
		defer close(done)
		store.Listen(t.Context(), func(event Event) {
			select {
			case events <- event:
			default:
			}
		})
	}()
	<-events
	if _, err := store.Credential(t.Context(), id, 1); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Start(t)
	waitUntil(t, "the secret is forgotten", func() bool {
		_, found, _ := store.credentials.get(id, 0)
		return !found
	})
}
