package errand

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// unknownWait is how long to wait for an upstream that this gateway has not heard of
	// yet, unableWait for one whose driver can't do what is asked: an admin has to help.
	unknownWait = time.Second
	unableWait  = time.Minute
)

// driverOf is the errand's driver, if it is able; the error says why there is none.
func driverOf[T any](r *Runner, w *work, unable string) (T, error) {
	name := w.errand.GetUpstream()
	driver, known := r.Driver(name)
	able, is := driver.(T)
	switch {
	case !known:
		return able, &upstream.WaitError{For: unknownWait, Text: fmt.Sprintf("there is no upstream %q", name)}
	case !is:
		return able, &upstream.WaitError{For: unableWait, Text: fmt.Sprintf("of upstream %q, %s", name, unable)}
	}
	return able, nil
}

func grantedOf(grant upstream.Grant) *tokenstorev1.Granted {
	granted := &tokenstorev1.Granted{AccessToken: grant.Access.Reveal(), RefreshToken: grant.Refresh.Reveal()}
	if !grant.ExpiresAt.IsZero() {
		granted.ExpiresAt = timestamppb.New(grant.ExpiresAt)
	}
	return granted
}

// postponed is a question that found nothing out. One that the upstream had no time for does
// not count as asked in vain.
func postponed(err error, secrets ...string) *tokenstorev1.Postponed {
	result := &tokenstorev1.Postponed{Detail: cleaned(err, secrets...), Counts: true}
	if wait, ok := errors.AsType[*upstream.WaitError](err); ok {
		result.Counts = false
		if wait.For > 0 {
			result.RetryAfter = durationpb.New(wait.For)
		}
	}
	return result
}

// cleaned is an error for an admin's eyes, without the secrets that the errand came with.
func cleaned(err error, secrets ...string) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer within " + askTimeout.String()
	}
	text := err.Error()
	for _, each := range secrets {
		text = upstream.CleanMessage(text, secret.New(each))
	}
	return text
}
