package tokens

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/idempotency"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// answerWindow is how long an answer to an idempotency key is remembered.
const answerWindow = 10 * time.Minute

// Answers is an idempotency.Store in the tokenstore.
type Answers struct {
	client tokenstorev1.IdempotencyServiceClient
}

// NewAnswers makes a store of answers.
func NewAnswers(client tokenstorev1.IdempotencyServiceClient) *Answers { return &Answers{client} }

var claimStates = map[tokenstorev1.ClaimState]idempotency.State{
	tokenstorev1.ClaimState_CLAIM_STATE_OWNED:         idempotency.Owned,
	tokenstorev1.ClaimState_CLAIM_STATE_ANSWERED:      idempotency.Answered,
	tokenstorev1.ClaimState_CLAIM_STATE_OTHER_REQUEST: idempotency.Other,
}

// Claim implements idempotency.Store. A state of a newer tokenstore counts as running.
func (a *Answers) Claim(ctx context.Context, key, request idempotency.Hash, owner string) (idempotency.State, *idempotency.Answer, error) {
	response, err := a.client.Claim(ctx, &tokenstorev1.ClaimRequest{KeyHash: key[:], RequestHash: request[:], Owner: owner})
	if err != nil {
		return idempotency.Running, nil, err
	}
	state, known := claimStates[response.GetState()]
	if !known {
		state = idempotency.Running
	}
	return state, &idempotency.Answer{Header: response.GetAnswer().GetHeader(), Body: response.GetAnswer().GetBody()}, nil
}

// Finish implements idempotency.Store.
func (a *Answers) Finish(ctx context.Context, key idempotency.Hash, owner string, answer *idempotency.Answer) error {
	request := &tokenstorev1.FinishRequest{KeyHash: key[:], Owner: owner}
	if answer != nil {
		request.Window = durationpb.New(answerWindow)
		request.Answer = &tokenstorev1.RememberedAnswer{Header: answer.Header, Body: answer.Body}
	}
	_, err := a.client.Finish(ctx, request)
	return err
}
