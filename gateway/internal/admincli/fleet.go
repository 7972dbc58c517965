package admincli

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// fleet is what the gateways do and how the pools are, as far as people are told.
type fleet struct {
	TotalRequests  uint64 `json:"total_requests"`
	ActiveRequests uint64 `json:"active_requests"`
	Replicas       []struct {
		Name      string     `json:"name"`
		Version   string     `json:"version"`
		StartedAt *time.Time `json:"started_at"`
		Requests  uint64     `json:"requests"`
		Active    uint32     `json:"active"`
		Log       struct {
			Pending uint64 `json:"pending"`
			Dropped uint64 `json:"dropped"`
		} `json:"log"`
	} `json:"replicas"`
	Pools    []poolState `json:"pools"`
	Warnings []struct {
		Text string `json:"text"`
	} `json:"warnings"`
}

// poolState counts the tokens of an upstream, each in one state.
type poolState struct {
	Upstream    string `json:"upstream"`
	Ready       uint32 `json:"ready"`
	Quarantined uint32 `json:"quarantined"`
	Cooling     uint32 `json:"cooling"`
	Probing     uint32 `json:"probing"`
	Parked      uint32 `json:"parked"`
	Expired     uint32 `json:"expired"`
	Disabled    uint32 `json:"disabled"`
	InFlight    uint32 `json:"in_flight"`
	Expiring    uint32 `json:"expiring"`
	NeedsLogin  uint32 `json:"needs_login"`
	// NextBackAt is when the first of the cooling ones is back; nil from an older gateway, too.
	NextBackAt *time.Time `json:"next_back_at"`
	Causes     []struct {
		Class string     `json:"class"`
		Model string     `json:"model"`
		Since *time.Time `json:"since"`
	} `json:"causes"`
}

func (s *session) fleet() *cobra.Command {
	c := &cobra.Command{
		Use: "fleet", Short: "Show the gateways that run and the state of the pools",
		Long:    "Shows the gateways that run, the state of the pools, and what is wrong. CSV has the pools.",
		Example: s.examples("fleet", "fleet -o json"),
	}
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "fleet", nil)
		return showAs(s, answer, err, "pools", s.printFleet)
	})
}

func (s *session) printFleet(f fleet) error {
	gateways := s.table("GATEWAY", "VERSION", "STARTED", "REQUESTS", "ACTIVE", "LOG PENDING", "LOG DROPPED")
	for _, r := range f.Replicas {
		gateways.row(r.Name, r.Version, s.age(r.StartedAt), count(r.Requests), count(r.Active), count(r.Log.Pending), count(r.Log.Dropped))
	}
	if err := gateways.flush(); err != nil {
		return err
	}
	s.say("%d requests in all, %d under way\n", f.TotalRequests, f.ActiveRequests)
	pools := s.table("POOL", "TOKENS", "IN FLIGHT", "EXPIRING", "NEED LOGIN", "NEXT BACK", "FAIL ALIKE")
	for _, p := range f.Pools {
		pools.row(p.Upstream, p.tokens(), count(p.InFlight), count(p.Expiring), count(p.NeedsLogin), s.age(p.NextBackAt), s.causes(p))
	}
	if err := pools.flush(); err != nil {
		return err
	}
	for _, warning := range f.Warnings {
		s.say("warning: %s", warning.Text)
	}
	return nil
}

// tokens counts them by their states, such as `3 ready, 1 parked`.
func (p poolState) tokens() string {
	var said []string
	for _, each := range []struct {
		count uint32
		state string
	}{
		{p.Ready, "ready"},
		{p.Quarantined, "quarantined"},
		{p.Cooling, "cooling"},
		{p.Probing, "probing"},
		{p.Parked, "parked"},
		{p.Expired, "expired"},
		{p.Disabled, "disabled"},
	} {
		if each.count > 0 {
			said = append(said, count(each.count)+" "+each.state)
		}
	}
	return cmp.Or(strings.Join(said, ", "), "none")
}

// causes are what all tokens of a pool fail for.
func (s *session) causes(p poolState) string {
	said := make([]string, 0, len(p.Causes))
	for _, each := range p.Causes {
		said = append(said, each.Class+" of "+cmp.Or(each.Model, "all models")+", since "+s.age(each.Since))
	}
	return strings.Join(said, "; ")
}
