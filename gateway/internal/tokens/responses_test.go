package tokens

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/remembered"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// responseClient is a tokenstore that keeps one answer, for one owner, or fails.
type responseClient struct {
	tokenstorev1.ResponseServiceClient
	kept *tokenstorev1.StoredResponse
	err  error
}

func (c *responseClient) has(id string, owner []byte) error {
	if c.err == nil && (c.kept.GetId() != id || string(c.kept.GetOwnerHash()) != string(owner)) {
		return (&rpcerr.Error{Reason: tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND}).GRPCStatus().Err()
	}
	return c.err
}

func (c *responseClient) PutResponse(_ context.Context, request *tokenstorev1.PutResponseRequest, _ ...grpc.CallOption) (*tokenstorev1.PutResponseResponse, error) {
	c.kept = request.GetResponse()
	return &tokenstorev1.PutResponseResponse{}, c.err
}

func (c *responseClient) GetResponse(_ context.Context, request *tokenstorev1.GetResponseRequest, _ ...grpc.CallOption) (*tokenstorev1.GetResponseResponse, error) {
	return &tokenstorev1.GetResponseResponse{Response: c.kept}, c.has(request.GetId(), request.GetOwnerHash())
}

func (c *responseClient) DeleteResponse(_ context.Context, request *tokenstorev1.DeleteResponseRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteResponseResponse, error) {
	err := c.has(request.GetId(), request.GetOwnerHash())
	if err == nil {
		c.kept = nil
	}
	return &tokenstorev1.DeleteResponseResponse{}, err
}

// An answer comes back as it was kept: with each of its fields.
func TestResponsesAreTranslated(t *testing.T) {
	t.Parallel()
	responses := NewResponses(&responseClient{})
	want := &remembered.Answer{
		ID: "resp_1", Owner: remembered.Owner{1}, Upstream: "far", TokenID: "tok", Model: "m",
		Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), JSON: []byte("{}"), Input: []byte("[]"),
	}
	for i, fields := 0, reflect.ValueOf(*want); i < fields.NumField(); i++ {
		if fields.Field(i).IsZero() {
			t.Fatalf("%s is not tested", fields.Type().Field(i).Name)
		}
	}
	if err := responses.Put(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got, err := responses.Get(t.Context(), want.ID, want.Owner); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := responses.Get(t.Context(), want.ID, remembered.Owner{2}); !errors.Is(err, remembered.ErrNone) {
		t.Errorf("for somebody else: %v", err)
	}
	if err := responses.Delete(t.Context(), want.ID, remembered.Owner{2}); !errors.Is(err, remembered.ErrNone) {
		t.Errorf("by somebody else: %v", err)
	}
	if err := responses.Delete(t.Context(), want.ID, want.Owner); err != nil {
		t.Error(err)
	}
	if _, err := responses.Get(t.Context(), want.ID, want.Owner); !errors.Is(err, remembered.ErrNone) {
		t.Errorf("after that: %v", err)
	}
}

func TestErrorsOfResponses(t *testing.T) {
	t.Parallel()
	reason := func(reason tokenstorev1.Reason) error { return (&rpcerr.Error{Reason: reason}).GRPCStatus().Err() }
	is := func(kind chat.Kind) func(error) bool {
		return func(err error) bool { return chat.AsError(err).Kind == kind }
	}
	for name, test := range map[string]struct {
		err  error
		want func(error) bool
	}{
		"not found":                {reason(tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND), func(err error) bool { return errors.Is(err, remembered.ErrNone) }},
		"too large":                {reason(tokenstorev1.Reason_REASON_RESPONSE_TOO_LARGE), func(err error) bool { return errors.Is(err, remembered.ErrTooLarge) }},
		"the store is away":        {reason(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE), is(chat.StoreUnavailable)},
		"it can't be reached":      {status.Error(codes.Unavailable, "refused"), is(chat.StoreUnavailable)},
		"it is too slow":           {status.Error(codes.DeadlineExceeded, "slow"), is(chat.StoreUnavailable)},
		"it is older":              {status.Error(codes.Unimplemented, "unknown service"), is(chat.StoreUnavailable)},
		"the client is gone":       {status.Error(codes.Canceled, "gone"), is(chat.Canceled)},
		"what nobody has foreseen": {errors.New("odd"), is(chat.Internal)},
	} {
		responses := NewResponses(&responseClient{err: test.err})
		_, got := responses.Get(t.Context(), "resp_1", remembered.Owner{})
		for _, err := range []error{got, responses.Put(t.Context(), &remembered.Answer{}), responses.Delete(t.Context(), "resp_1", remembered.Owner{})} {
			if !test.want(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
