package tokens

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/idempotency"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// answerClient is a tokenstore that notes what it is asked.
type answerClient struct {
	tokenstorev1.IdempotencyServiceClient
	state    tokenstorev1.ClaimState
	claimed  *tokenstorev1.ClaimRequest
	finished *tokenstorev1.FinishRequest
}

func (c *answerClient) Claim(_ context.Context, request *tokenstorev1.ClaimRequest, _ ...grpc.CallOption) (*tokenstorev1.ClaimResponse, error) {
	c.claimed = request
	return &tokenstorev1.ClaimResponse{
		State: c.state, Answer: &tokenstorev1.RememberedAnswer{Header: map[string]string{"a": "b"}, Body: []byte("body")},
	}, nil
}

func (c *answerClient) Finish(_ context.Context, request *tokenstorev1.FinishRequest, _ ...grpc.CallOption) (*tokenstorev1.FinishResponse, error) {
	c.finished = request
	return &tokenstorev1.FinishResponse{}, nil
}

func TestAnswersAreTranslated(t *testing.T) {
	t.Parallel()
	for state, want := range map[tokenstorev1.ClaimState]idempotency.State{
		tokenstorev1.ClaimState_CLAIM_STATE_OWNED:         idempotency.Owned,
		tokenstorev1.ClaimState_CLAIM_STATE_RUNNING:       idempotency.Running,
		tokenstorev1.ClaimState_CLAIM_STATE_ANSWERED:      idempotency.Answered,
		tokenstorev1.ClaimState_CLAIM_STATE_OTHER_REQUEST: idempotency.Other,
		99: idempotency.Running,
	} {
		client := &answerClient{state: state}
		got, answer, err := NewAnswers(client).Claim(t.Context(), idempotency.Hash{1}, idempotency.Hash{2}, "r")
		if err != nil || got != want || string(answer.Body) != "body" || answer.Header["a"] != "b" {
			t.Errorf("%s: %v, %v, %v", state, got, answer, err)
		}
		if c := client.claimed; c.GetKeyHash()[0] != 1 || c.GetRequestHash()[0] != 2 || c.GetOwner() != "r" {
			t.Errorf("claimed %v", c)
		}
	}
	client := &answerClient{}
	answers := NewAnswers(client)
	if err := answers.Finish(t.Context(), idempotency.Hash{1}, "r", nil); err != nil || client.finished.GetAnswer() != nil {
		t.Errorf("%v, %v", client.finished, err)
	}
	err := answers.Finish(t.Context(), idempotency.Hash{1}, "r", &idempotency.Answer{Body: []byte("body")})
	if f := client.finished; err != nil || string(f.GetAnswer().GetBody()) != "body" || f.GetWindow().AsDuration() != 10*time.Minute || f.GetOwner() != "r" {
		t.Errorf("%v, %v", f, err)
	}
}
