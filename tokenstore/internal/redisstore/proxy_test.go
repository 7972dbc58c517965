package redisstore

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/token"
)

func TestATokensProxy(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		d := draft("openai", "sk-1")
		d.Proxy = secret.New("http://user:the-password@proxy:3128")
		created := create(t, store, d)
		id := created.GetId()
		if created.GetMaskedProxy() != "http://user:•••@proxy:3128" {
			t.Errorf("shown as %q", created.GetMaskedProxy())
		}
		_, revealed, err := store.Reveal(ctx, id)
		if err != nil || revealed.Proxy.Reveal() != d.Proxy.Reveal() || revealed.Renewable {
			t.Errorf("revealed %q, %v", revealed.Proxy.Reveal(), err)
		}
		for _, step := range []struct {
			put, want string
			recalls   bool
		}{
			{"http://user:•••@proxy:3128", "http://user:the-password@proxy:3128", false},
			{"socks5://proxy:1080", "socks5://proxy:1080", true},
			{"", "", true},
			{"https://u:p@proxy", "https://u:p@proxy", true},
		} {
			epoch := store.client.HGet(ctx, tokenKey("openai", id), "epoch").Val()
			if _, err := store.UpdateToken(ctx, id, token.Fields{Proxy: secret.New(step.put)}, []string{token.Proxy}, 0); err != nil {
				t.Fatal(err)
			}
			now, err := store.Token(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			credential, err := store.Credential(ctx, id, now.GetVersion())
			if err != nil || credential.Proxy.Reveal() != step.want {
				t.Errorf("%q: leases go through %q, %v", step.put, credential.Proxy.Reveal(), err)
			}
			if recalled := store.client.HGet(ctx, tokenKey("openai", id), "epoch").Val() != epoch; recalled != step.recalls {
				t.Errorf("%q: recalled %v", step.put, recalled)
			}
		}
		for _, bad := range []string{"https://u:•••@elsewhere", "ftp://x", "http://x/path"} {
			_, err := store.UpdateToken(ctx, id, token.Fields{Proxy: secret.New(bad)}, []string{token.Proxy}, 0)
			wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		}
		exported, err := store.ExportTokens(ctx, "openai")
		if err != nil || exported[0].Proxy.Reveal() != "https://u:p@proxy" {
			t.Errorf("exported %v", err)
		}
	})
}

func TestAnUpstreamsProxy(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		put := func(proxy string) (*tokenstorev1.Upstream, error) {
			return store.PutUpstream(t.Context(), &tokenstorev1.Upstream{
				Name: "openai", Driver: "openai", BaseUrl: "https://example.com", Settings: map[string]string{"proxy": proxy, "other": "x"},
			}, 0)
		}
		const full = "http://user:the-password@proxy:3128"
		for _, written := range []string{full, "http://user:•••@proxy:3128"} {
			if got, err := put(written); err != nil || got.GetSettings()["proxy"] != full || got.GetSettings()["other"] != "x" {
				t.Errorf("%s: %v, %v", written, got, err)
			}
		}
		if _, err := put("http://user:•••@elsewhere:3128"); err == nil {
			t.Error("the password goes to another proxy")
		}
		elsewhere := &tokenstorev1.Upstream{
			Name: "imported", Driver: "openai", BaseUrl: "https://example.com", Settings: map[string]string{"proxy": "http://user:•••@elsewhere:3128"},
		}
		if changed, problem, err := store.ImportUpstream(t.Context(), elsewhere); err != nil || changed || strings.Count(problem, "proxy:") != 1 {
			t.Errorf("imported with a hidden password: %v, %q, %v", changed, problem, err)
		}
		if dump := dumpOf(t, store); strings.Contains(dump, "the-password") {
			t.Error("the password is readable in Redis")
		}
		snapshot, err := store.Snapshot(t.Context())
		if err != nil || snapshot.GetUpstreams()[1].GetSettings()["proxy"] != full {
			t.Errorf("watched %v, %v", snapshot.GetUpstreams(), err)
		}
		snapshot.GetUpstreams()[1].Version = 0 // as a file has it
		if changed, problem, err := store.ImportUpstream(t.Context(), snapshot.GetUpstreams()[1]); err != nil || changed || problem != "" {
			t.Errorf("imported as it is: %v, %q, %v", changed, problem, err)
		}
		if got, err := put(""); err != nil || got.GetSettings()["proxy"] != "" {
			t.Errorf("taken away: %v, %v", got, err)
		}
	})
}

// A new Cursor upstream gets the protocol of today, one that is there goes on as it is:
// token.CompleteUpstream has the rule.
func TestNewCursorUpstreamsSpeakTheProtocolOfToday(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		put := func(name, driver, protocol string) string {
			t.Helper()
			upstream := &tokenstorev1.Upstream{Name: name, Driver: driver, BaseUrl: "https://example.com"}
			if protocol != "" {
				upstream.Settings = map[string]string{"protocol": protocol}
			}
			asked := proto.CloneOf(upstream)
			got, err := store.PutUpstream(t.Context(), upstream, 0)
			if err != nil || !proto.Equal(asked, upstream) {
				t.Fatalf("%v, %v", upstream, err)
			}
			return got.GetSettings()["protocol"]
		}
		if got := put("new", "cursor", ""); got != "agent" {
			t.Errorf("a new one speaks %q", got)
		}
		if got := put("old", "cursor", "chat"); got != "chat" {
			t.Errorf("one that says so speaks %q", got)
		}
		if got := put("old", "cursor", ""); got != "chat" {
			t.Errorf("one that is put again without it speaks %q", got)
		}
		if got := put("new", "cursor", ""); got != "agent" {
			t.Errorf("a new one that is put twice speaks %q", got)
		}
		if got := put("other", "anthropic", ""); got != "" {
			t.Errorf("another driver's speaks %q", got)
		}
	})
}

// Nothing that opens an account, or a proxy, is readable at rest.
func TestWhatRenewsIsSealed(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		d := login("u", "first-refresh-token")
		d.Proxy = secret.New("http://user:proxy-password@proxy:3128")
		created := create(t, store, d)
		create(t, store, draft("cursor", "crsr_the-key-of-a-user-0123456789"))
		asked := begun("the-verifier")
		asked.Proxy = secret.New("http://user:login-password@proxy:3128")
		begin(t, store, asked)
		makeDue(t, store, created)
		access := accessFor("u", created.GetExpiresAt().AsTime())
		for _, errand := range take(t, store) {
			if errand.Refresh != nil {
				grant(t, store, errand.ErrandRef, Granted{Access: access, Refresh: secret.New("second-refresh-token")})
			}
		}
		taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "cursor", Model: "m", Count: 1, TTL: ever})
		if err != nil || len(taken) != 1 {
			t.Fatal(taken, err)
		}
		check := func(when string) {
			t.Helper()
			dump := dumpOf(t, store)
			for _, text := range []string{
				"first-refresh-token", "second-refresh-token", "proxy-password", "crsr_the-key-of-a-user", "the-verifier", "login-password",
				access.Reveal(), d.Secret.Reveal(),
			} {
				if strings.Contains(dump, text) {
					t.Errorf("%s: %s is readable in Redis", when, text)
				}
			}
		}
		check("there")
		if err := store.DeleteToken(ctx, created.GetId(), 0); err != nil {
			t.Fatal(err)
		}
		check("in the trash")
	})
}
