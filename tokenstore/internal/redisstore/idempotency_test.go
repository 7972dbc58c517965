package redisstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func hashed(text string) []byte {
	hash := sha256.Sum256([]byte(text))
	return hash[:]
}

func TestAnswersAreRemembered(t *testing.T) {
	t.Parallel()
	const (
		owned    = tokenstorev1.ClaimState_CLAIM_STATE_OWNED
		running  = tokenstorev1.ClaimState_CLAIM_STATE_RUNNING
		answered = tokenstorev1.ClaimState_CLAIM_STATE_ANSWERED
		other    = tokenstorev1.ClaimState_CLAIM_STATE_OTHER_REQUEST
	)
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		claim := func(title, key, request, owner string, want tokenstorev1.ClaimState) *tokenstorev1.RememberedAnswer {
			t.Helper()
			state, answer, err := store.ClaimAnswer(ctx, hashed(key), hashed(request), owner)
			if err != nil || state != want {
				t.Errorf("%s: %v, %v, want %v", title, state, err, want)
			}
			return answer
		}
		finish := func(key, owner string, answer *tokenstorev1.RememberedAnswer) {
			t.Helper()
			if err := store.FinishAnswer(ctx, hashed(key), owner, answer, time.Minute); err != nil {
				t.Error(err)
			}
		}
		claim("the first", "k", "body", "a", owned)
		claim("the first again", "k", "body", "a", owned)
		claim("the second", "k", "body", "b", running)
		claim("another body", "k", "other body", "b", other)
		claim("another key", "k2", "body", "b", owned)
		finish("k", "b", &tokenstorev1.RememberedAnswer{Body: []byte("not the owner's")})
		claim("still", "k", "body", "b", running)
		finish("k", "a", nil)
		claim("after one that failed", "k", "body", "b", owned)
		finish("k", "b", &tokenstorev1.RememberedAnswer{Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("a private answer")})
		got := claim("after the answer", "k", "body", "c", answered)
		if string(got.GetBody()) != "a private answer" || got.GetHeader()["Content-Type"] != "text/plain" {
			t.Errorf("answer %v", got)
		}
		claim("another body after the answer", "k", "other body", "c", other)
		finish("k", "b", &tokenstorev1.RememberedAnswer{Body: []byte("a second one")})
		if got := claim("the answer stays", "k", "body", "c", answered); string(got.GetBody()) != "a private answer" {
			t.Errorf("answer %v", got)
		}
		key := onceAnswerKey(hex.EncodeToString(hashed("k")))
		if stored := store.client.HGet(ctx, key, "answer").Val(); stored == "" || strings.Contains(stored, "private") {
			t.Errorf("stored %q", stored)
		}
		if left := store.client.PTTL(ctx, key).Val(); left <= claimHold || left > time.Minute {
			t.Errorf("it is remembered for %v", left)
		}
	})
}

func TestAClaimWhoseOwnerIsSilentEnds(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		if _, _, err := store.ClaimAnswer(ctx, hashed("k"), hashed("body"), "a"); err != nil {
			t.Fatal(err)
		}
		key := onceAnswerKey(hex.EncodeToString(hashed("k")))
		if left := store.client.PTTL(ctx, key).Val(); left <= 0 || left > claimHold {
			t.Fatalf("a claim lasts for %v", left)
		}
		store.client.Del(ctx, key) // as its expiry does
		if state, _, err := store.ClaimAnswer(ctx, hashed("k"), hashed("body"), "b"); err != nil || state != tokenstorev1.ClaimState_CLAIM_STATE_OWNED {
			t.Errorf("%v, %v", state, err)
		}
		if err := store.FinishAnswer(ctx, hashed("k"), "a", &tokenstorev1.RememberedAnswer{}, time.Minute); err != nil {
			t.Error(err)
		}
		if state, _, _ := store.ClaimAnswer(ctx, hashed("k"), hashed("body"), "c"); state != tokenstorev1.ClaimState_CLAIM_STATE_RUNNING {
			t.Errorf("a late owner has changed it to %v", state)
		}
	})
}

// Beyond the bound, the answers that expire first make room.
func TestRememberedAnswersAreBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		body := bytes.Repeat([]byte("x"), maxAnswer-100)
		const answers = 60
		for i := range answers {
			key := hashed(strings.Repeat("k", i+1))
			if _, _, err := store.ClaimAnswer(ctx, key, hashed("body"), "a"); err != nil {
				t.Fatal(err)
			}
			if err := store.FinishAnswer(ctx, key, "a", &tokenstorev1.RememberedAnswer{Body: body}, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		used, err := store.client.Get(ctx, onceBytesKey()).Int()
		kept := store.client.ZCard(ctx, onceIndexKey()).Val()
		if err != nil || used > maxAnswers || kept < 40 || kept >= answers {
			t.Errorf("%d bytes of %d answers, %v", used, kept, err)
		}
		if n := store.client.Exists(ctx, onceAnswerKey(hex.EncodeToString(hashed("k")))).Val(); n != 0 {
			t.Error("the first is still there")
		}
		if n := store.client.Exists(ctx, onceAnswerKey(hex.EncodeToString(hashed(strings.Repeat("k", answers))))).Val(); n != 1 {
			t.Error("the last is not there")
		}
	})
}

func TestClaimsAreChecked(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx, invalid := t.Context(), tokenstorev1.Reason_REASON_INVALID_ARGUMENT
		_, _, err := store.ClaimAnswer(ctx, []byte("short"), hashed("body"), "a")
		wantReason(t, err, invalid)
		_, _, err = store.ClaimAnswer(ctx, hashed("k"), nil, "a")
		wantReason(t, err, invalid)
		_, _, err = store.ClaimAnswer(ctx, hashed("k"), hashed("body"), "")
		wantReason(t, err, invalid)
		wantReason(t, store.FinishAnswer(ctx, hashed("k"), "a", &tokenstorev1.RememberedAnswer{Body: make([]byte, maxAnswer+1)}, time.Minute), invalid)
		wantReason(t, store.FinishAnswer(ctx, hashed("k"), "a", &tokenstorev1.RememberedAnswer{}, 48*time.Hour), invalid)
	})
}
