package redisstore

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

// changed names the parts whose versions differ.
func changed(before, after *tokenstorev1.GetVersionsResponse) []string {
	var parts []string
	for name, version := range map[string]func(*tokenstorev1.GetVersionsResponse) string{
		"tokens": (*tokenstorev1.GetVersionsResponse).GetTokens, "requests": (*tokenstorev1.GetVersionsResponse).GetRequests,
		"logins": (*tokenstorev1.GetVersionsResponse).GetLogins, "admins": (*tokenstorev1.GetVersionsResponse).GetAdmins,
	} {
		if version(before) != version(after) {
			parts = append(parts, name)
		}
	}
	return parts
}

func TestVersionsTellWhatHasChanged(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		read := func() *tokenstorev1.GetVersionsResponse {
			t.Helper()
			versions, err := store.Versions(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return versions
		}
		may := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		var added, login string
		var lease leasing.Taken
		for _, step := range []struct {
			name, part string
			do         func()
		}{
			{"a token comes", "tokens", func() { added = trusted(t, store, create(t, store, draft("openai", "sk-1"))) }},
			{"a lease is out", "tokens", func() {
				taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 1, TTL: time.Minute})
				may(err)
				lease = taken[0]
			}},
			{"a token cools", "tokens", func() {
				_, err := store.apply(ctx, transition{TokenID: added, Epoch: lease.Epoch(), Class: "rate_limit", CoolFor: 10 * time.Minute})
				may(err)
			}},
			{"it is brought back", "tokens", func() {
				_, err := store.ReleaseToken(ctx, added, "tests")
				may(err)
			}},
			{"a request is logged", "requests", func() {
				_, err := store.AppendLog(ctx, "g1", logEntries(1, 1))
				may(err)
			}},
			{"another one", "requests", func() {
				_, err := store.AppendLog(ctx, "g1", logEntries(2, 2))
				may(err)
			}},
			{"a login begins", "logins", func() { login = begin(t, store, begun("verifier-1")).GetId() }},
			{"it ends", "logins", func() {
				_, err := store.CancelLogin(ctx, login)
				may(err)
			}},
			{"an admin does something", "admins", func() {
				may(store.RecordAudit(ctx, &tokenstorev1.AuditEntry{Action: "settings changed"}))
			}},
			{"and again", "admins", func() {
				may(store.RecordAudit(ctx, &tokenstorev1.AuditEntry{Action: "settings changed"}))
			}},
		} {
			before := read()
			step.do()
			if parts := changed(before, read()); !slices.Contains(parts, step.part) {
				t.Errorf("%s: changed are %q, not %s", step.name, parts, step.part)
			}
		}
		// The hour may turn once, and with it the version of the requests.
		if now := read(); !proto.Equal(now, read()) && !proto.Equal(read(), read()) {
			t.Error("they change without news")
		}
	})
}
