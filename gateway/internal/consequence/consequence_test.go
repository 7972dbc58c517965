package consequence_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/consequence"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// histories are those of tokens, by their ids; of others there is none.
type histories struct {
	of    map[string][]*tokenstorev1.Transition
	asked []string
}

func (h *histories) ListTransitions(_ context.Context, r *tokenstorev1.ListTransitionsRequest, _ ...grpc.CallOption) (*tokenstorev1.ListTransitionsResponse, error) {
	h.asked = append(h.asked, r.GetId())
	told, known := h.of[r.GetId()]
	if !known {
		return nil, errors.New("there is no such token")
	}
	return &tokenstorev1.ListTransitionsResponse{Transitions: told}, nil
}

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func at(seconds int) *timestamppb.Timestamp {
	return timestamppb.New(noon.Add(time.Duration(seconds) * time.Second))
}

// What an attempt did is found in the token's history by its request, and what came next says
// what has become of it.
func TestOf(t *testing.T) {
	t.Parallel()
	type transitions = []*tokenstorev1.Transition
	cooled := &tokenstorev1.Transition{At: at(1), Kind: "cooling", Class: "rate_limit", Until: at(301), RequestId: "r1"}
	forModel := &tokenstorev1.Transition{At: at(1), Kind: "cooling", Class: "rate_limit", Model: "m", Until: at(301), RequestId: "r1"}
	parked := &tokenstorev1.Transition{At: at(1), Kind: "parked", Class: "rate_limit", RequestId: "r1"}
	others := &tokenstorev1.Transition{At: at(5), Kind: "cooling", Class: "rate_limit", Until: at(400), RequestId: "r2"}
	known := func(kind consequence.Kind, end consequence.End, by string) consequence.Consequence {
		found := consequence.Consequence{Kind: kind, Class: "rate_limit", At: at(1).AsTime(), End: end, By: by}
		if kind == consequence.Cooling {
			found.Until = at(301).AsTime()
		}
		return found
	}
	model := known(consequence.Cooling, consequence.Lasting, "")
	model.Model = "m"
	for name, c := range map[string]struct {
		history transitions
		now     int
		want    consequence.Consequence
	}{
		"it cools":                     {transitions{cooled}, 10, known(consequence.Cooling, consequence.Lasting, "")},
		"it cooled":                    {transitions{cooled}, 301, known(consequence.Cooling, consequence.Over, "")},
		"it is parked":                 {transitions{parked}, 9999, known(consequence.Parked, consequence.Lasting, "")},
		"it cools for a model":         {transitions{others, forModel}, 10, model},
		"undone by an admin":           {transitions{{At: at(6), Kind: "undone", Class: "rate_limit", By: "admin"}, cooled}, 10, known(consequence.Cooling, consequence.Undone, "admin")},
		"undone by the guard":          {transitions{{At: at(6), Kind: "undone", Class: "rate_limit", By: "guard"}, cooled}, 999, known(consequence.Cooling, consequence.Undone, "guard")},
		"another class was undone":     {transitions{{At: at(6), Kind: "undone", Class: "auth", By: "admin"}, cooled}, 10, known(consequence.Cooling, consequence.Followed, "admin")},
		"undone, then others came":     {transitions{others, {At: at(4), Kind: "undone", Class: "rate_limit", By: "admin"}, cooled}, 10, known(consequence.Cooling, consequence.Undone, "admin")},
		"brought back":                 {transitions{{At: at(6), Kind: "released", By: "admin"}, parked}, 10, known(consequence.Parked, consequence.Released, "admin")},
		"another, and brought back":    {transitions{{At: at(6), Kind: "released", By: "admin"}, others, cooled}, 10, known(consequence.Cooling, consequence.Followed, "")},
		"brought back, then another":   {transitions{others, {At: at(4), Kind: "released", By: "admin"}, cooled}, 10, known(consequence.Cooling, consequence.Released, "admin")},
		"another came next":            {transitions{others, cooled}, 10, known(consequence.Cooling, consequence.Followed, "")},
		"it did nothing":               {transitions{others}, 10, consequence.Consequence{Kind: consequence.None}},
		"another class of the request": {transitions{{At: at(1), Kind: "cooling", Class: "auth", RequestId: "r1"}}, 10, consequence.Consequence{Kind: consequence.None}},
		"nothing ever":                 {transitions{}, 10, consequence.Consequence{Kind: consequence.None}},
		"too long ago":                 {slices.Repeat(transitions{others}, 32), 10, consequence.Consequence{Kind: consequence.Unknown}},
		"not that long ago":            {append(slices.Repeat(transitions{others}, 31), &tokenstorev1.Transition{At: at(-1), Kind: "cooling"}), 10, consequence.Consequence{Kind: consequence.None}},
		"no such token":                {nil, 10, consequence.Consequence{Kind: consequence.Unknown}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := &histories{of: map[string]transitions{}}
			if c.history != nil {
				told.of["t1"] = c.history
			}
			entry := &tokenstorev1.LogEntry{Id: "r1", AttemptLog: []*tokenstorev1.LogAttempt{
				{StartedAt: at(0), TokenId: "t1", Class: "rate_limit", Effect: "token_may_cool"},
			}}
			got := consequence.Of(t.Context(), told, entry, at(c.now).AsTime())
			if diff := cmp.Diff([]consequence.Consequence{c.want}, got); diff != "" {
				t.Error(diff)
			}
			if undoable := c.want.End == consequence.Lasting && !c.want.At.IsZero(); got[0].Undoable() != undoable {
				t.Errorf("undoable: %v", got[0].Undoable())
			}
		})
	}
}

// Only what may have happened is looked up, and once for each token.
func TestOfAsksNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	told := &histories{}
	entry := &tokenstorev1.LogEntry{Id: "r1", AttemptLog: []*tokenstorev1.LogAttempt{
		{TokenId: "t1", Class: "rate_limit", Effect: "token_may_cool"},
		{TokenId: "t1", Class: "auth", Effect: "token_may_cool"},
		{TokenId: "t2", Class: "upstream", Effect: "none"},
		{Class: "auth", Effect: "token_may_cool"}, // a token of the client's own
		{TokenId: "t3", Effect: "none"},
		{TokenId: "t4", Class: "model_not_allowed", Effect: "model_may_cool"},
	}}
	found := consequence.Of(t.Context(), told, entry, noon)
	if !slices.Equal(told.asked, []string{"t1", "t4"}) {
		t.Errorf("asked for %q", told.asked)
	}
	for i, want := range []consequence.Kind{consequence.Unknown, consequence.Unknown, "", "", "", consequence.Unknown} {
		if found[i].Kind != want {
			t.Errorf("attempt %d: %q, want %q", i+1, found[i].Kind, want)
		}
	}
}
