package tokens

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// renewalWait is how long a request waits for another access token, at most.
	renewalWait = 10 * time.Second
	// renewalRound is how long the store is asked to wait at once, renewalSlack how much
	// longer its answer may take: one that hangs is not waited for all the time.
	renewalRound = 2 * time.Second
	renewalSlack = time.Second
	// renewalPatience is for how long a store that can't be reached is asked again: other
	// tokens may serve meanwhile.
	renewalPatience = 3 * time.Second
)

// RenewalClient is the tokenstore's side, as the generated gRPC client has it.
type RenewalClient interface {
	RenewCredential(context.Context, *tokenstorev1.RenewCredentialRequest, ...grpc.CallOption) (*tokenstorev1.RenewCredentialResponse, error)
}

// Renewals have the tokenstore renew access tokens that an upstream has refused.
type Renewals struct {
	client RenewalClient
	log    *slog.Logger
}

// NewRenewals makes Renewals.
func NewRenewals(client RenewalClient, log *slog.Logger) *Renewals { return &Renewals{client, log} }

// Renew answers another secret of the token than the one that was refused; an empty one
// where there is none within ten seconds, or ctx's time, or ever, or where a try for it was in
// vain: other tokens may serve meanwhile.
func (r *Renewals) Renew(ctx context.Context, tokenID string, refused secret.Value) secret.Value {
	ctx, cancel := context.WithTimeout(ctx, renewalWait)
	defer cancel()
	hash := sha256.Sum256([]byte(refused.Reveal()))
	deadline, _ := ctx.Deadline()
	heard, pause := time.Now(), backoff{}
	for {
		answer, err := r.ask(ctx, tokenID, hash[:])
		switch {
		case ctx.Err() != nil && err != nil:
			return secret.Value{}
		case err == nil && (isSettled(answer) || time.Until(deadline) <= renewalSlack):
			return secret.New(answer.GetSecret())
		case err == nil:
			heard, pause = time.Now(), backoff{}
		case !isAway(err) || time.Since(heard) > renewalPatience:
			r.log.LogAttrs(ctx, slog.LevelWarn, "access token not renewed", slog.String("token_id", tokenID), slog.Any("error", err))
			return secret.Value{}
		}
		pause.wait(ctx) // also where the store has not waited
	}
}

// isSettled tells whether there is nothing more to wait for.
func isSettled(answer *tokenstorev1.RenewCredentialResponse) bool {
	token := answer.GetToken()
	return answer.GetSecret() != "" || token.GetNeedsLogin() || token.GetRefreshError() != ""
}

// ask asks once.
func (r *Renewals) ask(ctx context.Context, tokenID string, refused []byte) (*tokenstorev1.RenewCredentialResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, renewalRound+renewalSlack)
	defer cancel()
	deadline, _ := ctx.Deadline()
	wait := max(time.Until(deadline)-renewalSlack, 0)
	return r.client.RenewCredential(ctx, &tokenstorev1.RenewCredentialRequest{
		Id: tokenID, RefusedHash: refused, MaxWait: durationpb.New(wait),
	})
}

// isAway tells whether a call has failed because the store, or one of several, can't be
// reached.
func isAway(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}
