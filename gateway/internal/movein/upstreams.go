package movein

import (
	"fmt"
	"slices"
	"strings"

	"carousel.internal/gateway/internal/foreign"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// settleUpstreams finds the plan's upstreams among those that are here: by driver and address, not
// by name. The others get names that nobody has. With one that no driver can be made of its tokens
// and targets are left, too.
func (d *Desk) settleUpstreams(plan *foreign.Plan, here []*tokenstorev1.Upstream) {
	refused := map[*foreign.Upstream]string{}
	for i := range plan.Items {
		item := &plan.Items[i]
		u := item.Upstream
		if u == nil || !moves(item) {
			continue
		}
		if at := slices.IndexFunc(here, func(known *tokenstorev1.Upstream) bool { return isAt(u, known) }); at >= 0 {
			u.Name, item.Name = here[at].GetName(), here[at].GetName()
			same(item, lacking(u, here[at]))
			continue
		}
		u.Name = freeName(u, plan, here)
		item.Name = u.Name
		if err := d.validate(configOf(u)); err != nil {
			leave(item, err.Error())
			refused[u] = u.Name
		}
	}
	leaveOf(plan, refused)
}

// leaveOf leaves what is for upstreams that can't be made.
func leaveOf(plan *foreign.Plan, refused map[*foreign.Upstream]string) {
	if len(refused) == 0 {
		return
	}
	for i := range plan.Items {
		item := &plan.Items[i]
		if item.Token != nil && refused[item.Token.Upstream] != "" {
			leave(item, "its upstream "+refused[item.Token.Upstream]+" is left")
		}
		if item.Route == nil {
			continue
		}
		item.Route.Targets = slices.DeleteFunc(item.Route.Targets, func(t foreign.Target) bool { return refused[t.Upstream] != "" })
		if len(item.Route.Targets) == 0 {
			leave(item, "the upstreams that it leads to are left")
		}
	}
}

func configOf(u *foreign.Upstream) upstream.Config {
	return upstream.Config{Name: u.Name, Driver: u.Driver, BaseURL: u.BaseURL, Models: u.Models, Settings: settingsOf(u)}
}

func settingsOf(u *foreign.Upstream) map[string]string {
	if u.Proxy.Empty() {
		return nil
	}
	return map[string]string{"proxy": u.Proxy.Reveal()}
}

// isAt tells whether both ask the same address.
func isAt(u *foreign.Upstream, known *tokenstorev1.Upstream) bool {
	return u.Driver == known.GetDriver() && foreign.BaseURL(u.BaseURL) == foreign.BaseURL(known.GetBaseUrl())
}

// lacking tells which models an upstream that is here does not list.
func lacking(u *foreign.Upstream, known *tokenstorev1.Upstream) string {
	if len(known.GetModels()) == 0 {
		return ""
	}
	var lacks []string
	for _, model := range u.Models {
		if !slices.Contains(known.GetModels(), model) {
			lacks = append(lacks, model)
		}
	}
	if len(lacks) == 0 {
		return ""
	}
	const shown = 5
	more := ""
	if len(lacks) > shown {
		more = fmt.Sprintf(" and %d more", len(lacks)-shown)
	}
	return "it stays as it is; its list of models lacks " + strings.Join(lacks[:min(len(lacks), shown)], ", ") + more
}

// freeName is the upstream's name, or the name with a number where another one has it.
func freeName(u *foreign.Upstream, plan *foreign.Plan, here []*tokenstorev1.Upstream) string {
	taken := foreign.NameSet{}
	for _, known := range here {
		taken[known.GetName()] = true
	}
	if !taken[u.Name] {
		return u.Name
	}
	for _, item := range plan.Items {
		if item.Upstream != nil {
			taken[item.Upstream.Name] = true
		}
	}
	return taken.Unique(u.Name, foreign.MaxUpstream)
}
