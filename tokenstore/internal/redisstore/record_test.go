package redisstore

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// Whatever the contract's Token has, a token that has everything shows it: a new
// field that the converter forgets fails here.
func TestViewShowsEveryField(t *testing.T) {
	t.Parallel()
	keys := testKeys(t, keyLine1("k1", 'a'))
	value := secret.New(strings.Repeat("x", 40))
	self := principal{value, tokenstorev1.CredentialKind_CREDENTIAL_KIND_SESSION}
	rec, err := encodeRecord(keys, "t1", self, token.Fields{
		Tags: []string{"a"}, Checksum: checksum.New(), Proxy: secret.New("http://u:the-password@proxy:3128"),
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ms := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).UnixMilli(), 10) }
	reply := []any{
		"rec", rec, "ver", "3", "epoch", "4", "upstream", "cursor", "alias", "a", "fingerprint", "f", "created", "1000000",
		"enabled", "1", "cap", "5", "weight", "6", "expires", ms(time.Hour), "cooling", ms(time.Minute), "streak", "1",
		"renewable", "1", "access_ends", ms(time.Hour), "needs_login", "1", "refresh_error", "r", "refreshed", ms(0), "refresh_at", ms(time.Minute),
		"requests", "7", "failures", "8", "last_used", ms(0), "last_error", "e", "m:some", ms(time.Minute),
	}
	read, err := readStored("t1", now.UnixMilli(), 2, reply)
	if err != nil {
		t.Fatal(err)
	}
	shown := read.view()
	off := *read
	off.enabled, off.disabledUntil = false, now.Add(time.Hour)
	shown.DisabledUntil = off.view().GetDisabledUntil() // of one that is disabled, which no other field is shown of
	fields := shown.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if !shown.ProtoReflect().Has(fields.Get(i)) {
			t.Errorf("%s is not shown", fields.Get(i).Name())
		}
	}
	if text := shown.String(); strings.Contains(text, value.Reveal()) || strings.Contains(text, "the-password") {
		t.Errorf("the secret is shown: %s", text)
	}
	if shown.GetState() != tokenstorev1.TokenState_TOKEN_STATE_COOLING || shown.GetInFlight() != 2 || shown.GetRequests() != 7 ||
		shown.GetCreatedAt().AsTime() != time.Unix(1, 0).UTC() {
		t.Errorf("got %v", shown)
	}
	content, err := read.record.open(keys, "t1")
	if err != nil || content.Secret.Reveal() != value.Reveal() || len(content.Checksum.DeviceID) != 64 || len(content.Checksum.MACHash) != 64 {
		t.Errorf("opened %v", err)
	}
	if _, err := read.record.open(keys, "t2"); err == nil {
		t.Error("opens as another token's")
	}
}

func TestRepliesThatFitNoToken(t *testing.T) {
	t.Parallel()
	if got, err := readStored("t1", 1, 0, []any{}); got != nil || err != nil {
		t.Errorf("a token that is gone: %v, %v", got, err)
	}
	for name, reply := range map[string]any{
		"no hash": "x", "half a pair": []any{"ver"},
	} {
		if got, err := readStored("t1", 1, 0, reply); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, reply := range map[string]any{"no record": []any{"ver", "1"}, "bad record": []any{"rec", "{"}} {
		got, err := readStored("t1", 1, 0, reply)
		if err != nil || !strings.Contains(got.lastError, "damaged") {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		if _, err := got.record.open(testKeys(t, keyLine1("k1", 'a')), "t1"); err == nil {
			t.Errorf("%s: it opens", name)
		}
	}
}

// An upstream is stored as the contract has it, whatever fields it gets.
func TestUpstreamKeepsEveryField(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		wanted := &tokenstorev1.Upstream{
			Name: "x", Driver: "openai", BaseUrl: "http://x/v1", Models: []string{"m"}, Settings: map[string]string{"K": "v"}, Version: 9,
		}
		fields := wanted.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			if !wanted.ProtoReflect().Has(fields.Get(i)) {
				t.Fatalf("the test forgets %s", fields.Get(i).Name())
			}
		}
		got, err := store.PutUpstream(t.Context(), wanted, 0)
		if err != nil {
			t.Fatal(err)
		}
		wanted.Version = 1
		if !proto.Equal(got, wanted) {
			t.Errorf("got %v, want %v", got, wanted)
		}
	})
}
