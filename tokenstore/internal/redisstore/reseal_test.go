package redisstore

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// After a reseal nothing needs the old key: tokens, accounts, deleted tokens, prompts,
// remembered answers, kept responses, upstreams.
func TestResealTakesEverythingAlong(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	client := server.Client(t)
	old := newStore(t, client)
	ctx := t.Context()
	kept, deleted := create(t, old, draft("cursor", "secret-of-the-kept")).GetId(), create(t, old, draft("cursor", "secret-of-the-deleted")).GetId()
	damaged := create(t, old, draft("openai", "secret-of-the-damaged")).GetId()
	account := &tokenstorev1.TokenAccount{Email: "somebody@example.com"}
	for _, id := range []string{kept, deleted} {
		if err := old.RecordAccount(ctx, id, account); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.DeleteToken(ctx, deleted, 0); err != nil {
		t.Fatal(err)
	}
	renewed := login("u", "refresh-token-of-before")
	renewed.Proxy = secret.New("http://u:password@proxy:3128")
	loggedIn := create(t, old, renewed)
	makeDue(t, old, loggedIn)
	grant(t, old, takeRefresh(t, old).ErrandRef, Granted{Access: accessFor("u", time.Now().Add(time.Minute)), Refresh: secret.New("refresh-token-of-now")})
	if _, err := old.CreateLogin(ctx, begun("the-verifier")); err != nil {
		t.Fatal(err)
	}
	proxied := &tokenstorev1.Upstream{Name: "openai", Driver: "openai", BaseUrl: "https://example.com", Settings: map[string]string{"proxy": "http://u:password@proxy:1"}}
	if _, err := old.PutUpstream(ctx, proxied, 0); err != nil {
		t.Fatal(err)
	}
	if err := client.HSet(ctx, tokenKey("openai", damaged), "rec", `{"sealed":"v1.k1.AAAA"}`).Err(); err != nil {
		t.Fatal(err)
	}
	entries := logEntries(1, 250)
	for i, entry := range entries {
		entry.Prompt = strings.Repeat("what is a lease? ", 1+i)
	}
	appendLog(t, old, "g1", entries)
	key, request := sha256.Sum256([]byte("k")), sha256.Sum256([]byte("r"))
	answer := &tokenstorev1.RememberedAnswer{Body: []byte("the answer")}
	claimed := func(store *Store) *tokenstorev1.RememberedAnswer {
		t.Helper()
		_, answer, err := store.ClaimAnswer(ctx, key[:], request[:], "g1")
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	claimed(old)
	if err := old.FinishAnswer(ctx, key[:], "g1", answer, time.Hour); err != nil {
		t.Fatal(err)
	}

	hook, word := "https://hooks.example/very-secret", "secret-of-the-hook"
	destination, err := old.PutDestination(ctx, &tokenstorev1.Destination{Name: "hook"}, &hook, &word, 0)
	if err != nil {
		t.Fatal(err)
	}

	putResponse(t, keeping(old, time.Hour, 1<<20), response("resp_1", "one", "short"))
	putResponse(t, old, response("resp_2", "one", strings.Repeat("long ", 1000)))
	expires := client.PTTL(ctx, responseKey(responseDigest("resp_1", hashed("one")))).Val()

	rotated := storeOf(t, server, testKeys(t, keyLine1("key-2", 'b')+keyLine1("k1", 'a')))
	if err := rotated.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	listed := func(query string) int {
		t.Helper()
		_, total, err := rotated.TokenTable(ctx, Table{TokenFilter: TokenFilter{Query: query}, Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		return total
	}
	if listed("no such text") != 0 { // it makes rows
		t.Fatal("it is found")
	}
	done, err := rotated.Reseal(ctx)
	want := Resealed{Tokens: 2, Accounts: 2, Trash: 1, Prompts: 250, Answers: 1, Responses: 2, Upstreams: 2, Destinations: 1, Unreadable: 1}
	if err != nil || done != want {
		t.Fatalf("resealed %+v, want %+v, %v", done, want, err)
	}
	resealed, err := rotated.Token(ctx, kept)
	if err != nil || listed(resealed.GetFingerprint()) != 1 {
		t.Fatalf("it is not found by its new fingerprint: %v, %v", resealed, err)
	}
	if again, err := rotated.Reseal(ctx); err != nil || again != (Resealed{Unreadable: 1}) {
		t.Errorf("again: %+v, %v", again, err)
	}
	if dump := strings.ReplaceAll(dumpOf(t, rotated), `{"sealed":"v1.k1.AAAA"}`, ""); strings.Contains(dump, ".k1.") {
		t.Error("something is sealed with the old key")
	}
	var stored int64
	for _, prompt := range client.HVals(ctx, promptsKey()).Val() {
		stored += int64(len(prompt))
	}
	if n, err := client.Get(ctx, promptBytesKey()).Int64(); err != nil || n != stored {
		t.Errorf("%d bytes of prompts, counted as %d, %v", stored, n, err)
	}

	countedResponses(t, rotated)
	if left := client.PTTL(ctx, responseKey(responseDigest("resp_1", hashed("one")))).Val(); left <= 0 || left > expires {
		t.Errorf("a response expires in %v, before in %v", left, expires)
	}

	final := storeOf(t, server, testKeys(t, keyLine1("key-2", 'b')))
	if err := final.Prepare(ctx); err != nil {
		t.Fatalf("without the old key: %v", err)
	}
	if err := final.PrepareLog(ctx); err != nil {
		t.Fatal(err)
	}
	if opened, err := final.NotifyDestination(ctx, destination.GetId()); err != nil || opened.URL.Reveal() != hook || opened.Secret.Reveal() != word {
		t.Errorf("the destination: %v, %v", opened, err)
	}
	if _, err := final.RestoreToken(ctx, deleted); err != nil {
		t.Error(err)
	}
	for id, text := range map[string]string{kept: "secret-of-the-kept", deleted: "secret-of-the-deleted"} {
		if credential, err := final.Credential(ctx, id, 0); err != nil || credential.Secret.Reveal() != text {
			t.Errorf("%s: %v", text, err)
		}
		if got, err := final.Account(ctx, id); err != nil || got.GetEmail() != account.GetEmail() {
			t.Errorf("account of %s: %v, %v", id, got, err)
		}
	}
	makeDue(t, final, loggedIn)
	for _, errand := range take(t, final) {
		if login := errand.Login; login != nil && login.Verifier.Reveal() != "the-verifier" {
			t.Error("the login's verifier is lost")
		}
		if refresh := errand.Refresh; refresh != nil && (refresh.Token.Reveal() != "refresh-token-of-now" || refresh.Former.Reveal() != "refresh-token-of-before") {
			t.Error("the refresh tokens are lost")
		}
	}
	if upstream, err := final.upstream(ctx, "openai"); err != nil || upstream.GetSettings()["proxy"] != proxied.GetSettings()["proxy"] {
		t.Errorf("the upstream's proxy is %v, %v", upstream.GetSettings(), err)
	}
	if got := claimed(final); string(got.GetBody()) != "the answer" {
		t.Errorf("answer %v", got)
	}
	if !hasResponse(t, final, "resp_1", "one") || !hasResponse(t, final, "resp_2", "one") {
		t.Error("kept responses are lost")
	}
	if got := baseURLs(t, final); len(got) != 2 {
		t.Errorf("upstreams %v", got)
	}
	for _, entry := range queryLog(t, final, LogQuery{Limit: 1000}).Entries {
		if !strings.HasPrefix(entry.GetPrompt(), "what is a lease?") {
			t.Fatalf("%s has the prompt %.40q", entry.GetId(), entry.GetPrompt())
		}
	}
}
