package mcp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"carousel.internal/gateway/internal/chat"
)

// poolState is how the pool stands.
type poolState struct {
	// Sentence says it all in one.
	Sentence string      `json:"sentence"`
	Able     int         `json:"accounts_able"`
	All      int         `json:"accounts"`
	Pools    []pool      `json:"upstreams"`
	More     int         `json:"more_upstreams"`
	Gateways int         `json:"gateways"`
	Active   uint64      `json:"requests_under_way"`
	Warnings []textOfOne `json:"warnings"`
}

type textOfOne struct {
	Text string `json:"text"`
}

// pool counts the accounts of an upstream, each in one state.
type pool struct {
	Upstream    string     `json:"upstream"`
	Ready       int        `json:"ready"`
	Quarantined int        `json:"quarantined"`
	Cooling     int        `json:"cooling"`
	Probing     int        `json:"probing"`
	Parked      int        `json:"parked"`
	Expired     int        `json:"expired"`
	Disabled    int        `json:"disabled"`
	InFlight    int        `json:"in_flight"`
	Expiring    int        `json:"expiring_within_a_week"`
	NeedsLogin  int        `json:"needs_login"`
	NextBackAt  *time.Time `json:"next_back_at"`
	// NextBackClass is what the account cools for that is back next.
	NextBackClass *string `json:"next_back_class"`
	// Causes are what all accounts fail for alike, so that none is blamed.
	Causes []cause `json:"failing_alike"`
}

type cause struct {
	Class string     `json:"class"`
	Model string     `json:"model"`
	Since *time.Time `json:"since"`
}

// able counts the accounts that can serve: new ones, and those that are tried again, among them.
func (p pool) able() int { return p.Ready + p.Quarantined + p.Probing }

func (p pool) total() int { return p.able() + p.Cooling + p.Parked + p.Expired + p.Disabled }

// toldPool is a pool as the admin API has it, where its names are others.
type toldPool struct {
	pool

	Expiring int     `json:"expiring"`
	Causes   []cause `json:"causes"`
}

func (s *Server) poolState(ctx context.Context, _ nothing) (poolState, error) {
	told, err := get[struct {
		Active   uint64      `json:"active_requests"`
		Replicas []struct{}  `json:"replicas"`
		Pools    []toldPool  `json:"pools"`
		Warnings []textOfOne `json:"warnings"`
	}](ctx, s, "fleet", nil)
	if err != nil {
		return poolState{}, err
	}
	state := poolState{Gateways: len(told.Replicas), Active: told.Active}
	var pools []pool
	for _, each := range told.Pools {
		each.pool.Expiring = each.Expiring
		each.pool.Causes, _ = first(each.Causes)
		state.Able += each.able()
		state.All += each.total()
		pools = append(pools, each.pool)
	}
	state.Pools, state.More = first(pools)
	state.Warnings, _ = first(told.Warnings)
	for i := range state.Warnings {
		state.Warnings[i].Text = chat.Cut(state.Warnings[i].Text, maxText)
	}
	state.Sentence = sentenceOf(state.Able, state.All, pools)
	return state, nil
}

// mostStuck is how many upstreams the sentence names.
const mostStuck = 3

// sentenceOf says how many accounts can serve, and which upstreams have none that can.
func sentenceOf(able, all int, pools []pool) string {
	if all == 0 {
		return "There are no accounts."
	}
	said := []string{fmt.Sprintf("%d of %d accounts can serve.", able, all)}
	stuck := 0
	for _, p := range pools {
		if p.able() > 0 || p.total() == 0 {
			continue
		}
		if stuck++; stuck > mostStuck {
			continue
		}
		if p.NextBackAt != nil {
			said = append(said, fmt.Sprintf("%s has none; the first is back at %s.", p.Upstream, p.NextBackAt.UTC().Format(time.RFC3339)))
		} else {
			said = append(said, p.Upstream+" has none, and none comes back by itself.")
		}
	}
	if stuck > mostStuck {
		said = append(said, fmt.Sprintf("%d more upstreams have none.", stuck-mostStuck))
	}
	return strings.Join(said, " ")
}
