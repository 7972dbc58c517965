package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var (
	claimAnswerScript  = newScript("claim_answer")
	finishAnswerScript = newScript("finish_answer")
)

const (
	// claimHold is how long an owner of a claim may be silent.
	claimHold = 10 * time.Second
	maxOwner  = 64
	// maxAnswer bounds one remembered answer, maxAnswers all of them, sealed, in bytes.
	maxAnswer  = 1 << 20
	maxAnswers = 64 << 20
	maxWindow  = 24 * time.Hour
)

var claimStates = map[string]tokenstorev1.ClaimState{
	"owned":    tokenstorev1.ClaimState_CLAIM_STATE_OWNED,
	"running":  tokenstorev1.ClaimState_CLAIM_STATE_RUNNING,
	"answered": tokenstorev1.ClaimState_CLAIM_STATE_ANSWERED,
	"other":    tokenstorev1.ClaimState_CLAIM_STATE_OTHER_REQUEST,
}

// ClaimAnswer asks for the right to answer an idempotency key, or prolongs it. The
// answer is nil unless the state is ANSWERED.
func (s *Store) ClaimAnswer(ctx context.Context, key, request []byte, owner string) (tokenstorev1.ClaimState, *tokenstorev1.RememberedAnswer, error) {
	if err := checkClaim(key, owner); err != nil {
		return 0, nil, err
	}
	if len(request) != sha256.Size {
		return 0, nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "request_hash: must be %d bytes", sha256.Size)
	}
	hash := hex.EncodeToString(key)
	result, err := claimAnswerScript.run(ctx, s.client, []string{onceAnswerKey(hash)},
		hex.EncodeToString(request), owner, claimHold.Milliseconds()).StringSlice()
	if err != nil {
		return 0, nil, storeError("claim an answer", err)
	}
	state := claimStates[result[0]]
	if state != tokenstorev1.ClaimState_CLAIM_STATE_ANSWERED {
		return state, nil, nil
	}
	plain, err := s.keys.Open(result[1], answerBinding(hash))
	if err != nil {
		return 0, nil, fmt.Errorf("open a remembered answer: %w", err)
	}
	var answer tokenstorev1.RememberedAnswer
	if err := proto.Unmarshal([]byte(plain.Reveal()), &answer); err != nil {
		return 0, nil, fmt.Errorf("a remembered answer: %w", err)
	}
	return state, &answer, nil
}

// FinishAnswer ends a claim: with an answer, which is remembered for the window; or
// without one, and the next that asks for the key owns it.
func (s *Store) FinishAnswer(ctx context.Context, key []byte, owner string, answer *tokenstorev1.RememberedAnswer, window time.Duration) error {
	if err := checkClaim(key, owner); err != nil {
		return err
	}
	hash, sealed := hex.EncodeToString(key), ""
	if answer != nil {
		record, err := proto.Marshal(answer)
		if err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		if len(record) > maxAnswer || window <= 0 || window > maxWindow {
			return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "answer: may have %d bytes, its window must be up to %s", maxAnswer, maxWindow)
		}
		sealed = s.keys.Seal(secret.New(string(record)), answerBinding(hash))
	}
	err := finishAnswerScript.run(ctx, s.client, []string{onceAnswerKey(hash), onceIndexKey(), onceBytesKey()},
		hash, owner, sealed, max(window.Milliseconds(), 1), maxAnswers, onceAnswerPrefix()).Err()
	if err != nil {
		return storeError("finish an answer", err)
	}
	return nil
}

func checkClaim(key []byte, owner string) error {
	switch {
	case len(key) != sha256.Size:
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "key_hash: must be %d bytes", sha256.Size)
	case owner == "" || len(owner) > maxOwner:
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "owner: must be 1 to %d bytes", maxOwner)
	default:
		return nil
	}
}

func answerBinding(hash string) string { return "answer " + hash }
