package adminapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"carousel.internal/gateway/internal/upstream"
)

// probeTimeout bounds the question whether an upstream can be reached.
const probeTimeout = 4 * time.Second

// probe is what asking an upstream for its models brought.
type probe struct {
	// State is reachable, refused (it answers, but not as such an upstream does),
	// unreachable or not_asked.
	State string `json:"state"`
	// Models is how many it lists; null where it did not tell.
	Models *int `json:"models"`
	// Detail says more, for the admin; null where there is no more to say.
	Detail *string `json:"detail"`
}

// probeUpstream asks once. That a key is wanted is no fault: the question has none.
func (a *API) probeUpstream(ctx context.Context, config upstream.Config) probe {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	count, err := a.ProbeUpstream(ctx, config)
	failure, asked := errors.AsType[*upstream.Failure](err)
	switch {
	case err == nil:
		return probe{State: "reachable", Models: &count}
	case !asked:
		return probed("not_asked", err.Error())
	case failure.Status == http.StatusUnauthorized || failure.Status == http.StatusForbidden:
		return probed("reachable", "it answers, and wants a key")
	case failure.Status == 0:
		return probed("unreachable", told(failure, "there was no answer"))
	default:
		return probed("refused", told(failure, "its answer is no list of models"))
	}
}

func probed(state, detail string) probe { return probe{State: state, Detail: &detail} }

// told is what an upstream, or the way to it, said.
func told(failure *upstream.Failure, otherwise string) string {
	text := failure.Message
	if text == "" {
		text = otherwise
	}
	if failure.Status != 0 {
		text = "HTTP " + http.StatusText(failure.Status) + ": " + text
	}
	return text
}
