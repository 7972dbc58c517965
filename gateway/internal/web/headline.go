package web

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// mostStuck is how many upstreams the sentence names.
const mostStuck = 3

// headline is the state of all pools in one sentence: how many tokens can serve, and which
// upstreams have none that can.
type headline struct {
	// Able of All tokens can serve.
	Able, All uint32
	// Stuck are the first upstreams without a token that can serve; More counts the others.
	Stuck []stuck
	More  int
}

// stuck is an upstream without a token that can serve.
type stuck struct {
	Upstream string
	// Back is when the first of its tokens may serve again; nil: not by itself.
	Back *timestamppb.Timestamp
	// Class is that of the failure which ends at Back; empty where that is not known.
	Class string
	// Why is what all tokens are where none comes back by itself: login, parked, expired,
	// disabled, or mixed.
	Why string
}

func headlineOf(pools []pool) headline {
	var h headline
	for _, p := range pools {
		able := p.Able()
		h.All += p.Total()
		h.Able += able
		switch {
		case able > 0:
		case len(h.Stuck) == mostStuck:
			h.More++
		default:
			h.Stuck = append(h.Stuck, stuckOf(p))
		}
	}
	return h
}

func stuckOf(p pool) stuck {
	s := stuck{Upstream: p.GetUpstream()}
	switch cause := p.sharedCause(); {
	case cause != nil:
		s.Back, s.Class = cause.GetNextProbe(), cause.GetClass()
	case p.GetNextBack() != nil:
		s.Back, s.Class = p.GetNextBack(), p.GetNextBackClass()
	}
	if s.Back == nil {
		s.Why = whyNone(p.PoolState)
	}
	return s
}

// whyNone is what all tokens of a pool are, none of which can serve.
func whyNone(state *tokenstorev1.PoolState) string {
	total := pool{PoolState: state}.Total()
	switch total {
	case state.GetNeedsLogin():
		return "login"
	case state.GetParked():
		return "parked"
	case state.GetExpired():
		return "expired"
	case state.GetDisabled():
		return "disabled"
	case state.GetCooling():
		return "cooling" // an older tokenstore doesn't say until when
	default:
		return "mixed"
	}
}

// Text is the part of the sentence that counts the tokens, as the texts name it.
func (h headline) Text() string {
	switch {
	case h.All == 0:
		return "empty"
	case h.All == 1 && h.Able == 1:
		return "one"
	case h.All == 1:
		return "not_one"
	case h.Able == h.All:
		return "all"
	case h.Able == 0:
		return "none"
	default:
		return "some"
	}
}

// Tone is the colour of the sentence's mark: that of a state of tokens.
func (h headline) Tone() string {
	switch {
	case h.Able == 0:
		return "expired"
	case len(h.Stuck) > 0:
		return "cooling"
	default:
		return "ready"
	}
}
