package tokens

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/remembered"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Responses is a remembered.Store in the tokenstore.
type Responses struct {
	client tokenstorev1.ResponseServiceClient
}

// NewResponses makes a store of answers that clients go on with.
func NewResponses(client tokenstorev1.ResponseServiceClient) *Responses { return &Responses{client} }

// Put implements remembered.Store.
func (r *Responses) Put(ctx context.Context, answer *remembered.Answer) error {
	_, err := r.client.PutResponse(ctx, &tokenstorev1.PutResponseRequest{Response: &tokenstorev1.StoredResponse{
		Id: answer.ID, OwnerHash: answer.Owner[:], Upstream: answer.Upstream, TokenId: answer.TokenID, Model: answer.Model,
		CreatedAt: timestamppb.New(answer.Created), Answer: answer.JSON, Input: answer.Input,
	}})
	return errorOfResponse(err)
}

// Get implements remembered.Store.
func (r *Responses) Get(ctx context.Context, id string, owner remembered.Owner) (*remembered.Answer, error) {
	got, err := r.client.GetResponse(ctx, &tokenstorev1.GetResponseRequest{Id: id, OwnerHash: owner[:]})
	if err != nil {
		return nil, errorOfResponse(err)
	}
	kept := got.GetResponse()
	return &remembered.Answer{
		ID: id, Owner: owner, Upstream: kept.GetUpstream(), TokenID: kept.GetTokenId(), Model: kept.GetModel(),
		Created: kept.GetCreatedAt().AsTime(), JSON: kept.GetAnswer(), Input: kept.GetInput(),
	}, nil
}

// Delete implements remembered.Store.
func (r *Responses) Delete(ctx context.Context, id string, owner remembered.Owner) error {
	_, err := r.client.DeleteResponse(ctx, &tokenstorev1.DeleteResponseRequest{Id: id, OwnerHash: owner[:]})
	return errorOfResponse(err)
}

// errorOfResponse is what the store's error means for an answer that is kept, or was to be.
func errorOfResponse(err error) error {
	switch {
	case err == nil:
		return nil
	case rpcerr.Is(err, tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND):
		return remembered.ErrNone
	case rpcerr.Is(err, tokenstorev1.Reason_REASON_RESPONSE_TOO_LARGE):
		return remembered.ErrTooLarge
	case status.Code(err) == codes.Unimplemented:
		return &chat.Error{Kind: chat.StoreUnavailable, Message: "the tokenstore is of an earlier version, which keeps no answers", Err: err}
	default:
		return storeerr.Translate(err)
	}
}
