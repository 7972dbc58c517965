package mcp

import (
	"context"
	"errors"
	"time"

	"carousel.internal/gateway/internal/chat"
)

type modelsWanted struct {
	Search   string `json:"search,omitempty" jsonschema:"only names with this text"`
	Unserved bool   `json:"unserved,omitempty" jsonschema:"only those that nothing can serve now"`
}

// model is how a name can be served now.
type model struct {
	Model     string    `json:"model"`
	Route     *string   `json:"route"`
	Upstreams []string  `json:"upstreams"`
	Accounts  int       `json:"accounts"`
	Able      int       `json:"able"`
	Reasons   []reason  `json:"reasons"`
	Excluded  []exclude `json:"excluded"`
	// BackAt is when the first account is back; null where that is not known.
	BackAt *time.Time `json:"back_at"`
}

// reason keeps accounts out.
type reason struct {
	Reason   string     `json:"reason"`
	Class    *string    `json:"class"`
	Accounts int        `json:"accounts"`
	BackAt   *time.Time `json:"back_at"`
}

// exclude is an upstream that can't serve, whatever its accounts do.
type exclude struct {
	Upstream string `json:"upstream"`
	Why      string `json:"why"`
}

type models struct {
	Models []model `json:"models"`
	More   int     `json:"more"`
}

func (s *Server) listModels(ctx context.Context, in modelsWanted) (models, error) {
	query := values("q", in.Search)
	if in.Unserved {
		query.Set("unserved", "true")
	}
	told, err := get[models](ctx, s, "models", query)
	var shown models
	shown.Models, shown.More = first(told.Models)
	for i := range shown.Models {
		each := &shown.Models[i]
		each.Upstreams, _ = first(each.Upstreams)
		each.Reasons, _ = first(each.Reasons)
		each.Excluded, _ = first(each.Excluded)
	}
	return shown, err
}

type modelWanted struct {
	Model   string `json:"model" jsonschema:"the name as a client says it"`
	Dialect string `json:"dialect,omitempty" jsonschema:"the API that the client speaks: openai, anthropic or responses"`
	Key     string `json:"key,omitempty" jsonschema:"the id of a client key, for whose requests it is asked"`
}

// target is an upstream's model that a name leads to.
type target struct {
	Upstream string  `json:"upstream"`
	Model    string  `json:"model"`
	Order    int     `json:"order"`
	Priority int     `json:"priority"`
	Share    float64 `json:"share"`
	// Excluded is why it can't serve, whatever its accounts do; null: it can.
	Excluded *string `json:"excluded"`
	// Chosen is the account that a request would get now; null: none.
	Chosen   *string        `json:"chosen"`
	Accounts int            `json:"accounts"`
	Able     int            `json:"able"`
	KeptOut  map[string]int `json:"kept_out"`
	// BackAt is when the first of those is back that are kept out.
	BackAt     *time.Time `json:"back_at"`
	Cause      *string    `json:"cause"`
	CauseUntil *time.Time `json:"cause_until"`
}

type explanation struct {
	Model     string   `json:"model"`
	Route     *string  `json:"route"`
	Upstream  string   `json:"upstream"`
	Chosen    *string  `json:"chosen"`
	Targets   []target `json:"targets"`
	More      int      `json:"more_targets"`
	Fallbacks []string `json:"fallbacks"`
}

// toldTarget has each account, of which a target has counts.
type toldTarget struct {
	target

	Candidates []candidate `json:"candidates"`
}

type candidate struct {
	ExcludedBy *string    `json:"excluded_by"`
	Until      *time.Time `json:"until"`
}

func (t toldTarget) counted() target {
	counted := t.target
	counted.Accounts, counted.Able, counted.KeptOut, counted.BackAt = len(t.Candidates), 0, map[string]int{}, nil
	for _, each := range t.Candidates {
		if each.ExcludedBy == nil {
			counted.Able++
			continue
		}
		counted.KeptOut[*each.ExcludedBy]++
		if each.Until != nil && (counted.BackAt == nil || each.Until.Before(*counted.BackAt)) {
			counted.BackAt = each.Until
		}
	}
	return counted
}

func (s *Server) explainModel(ctx context.Context, in modelWanted) (explanation, error) {
	if in.Model == "" {
		return explanation{}, errors.New("model: the name of a model wanted")
	}
	told, err := get[struct {
		Model string                 `json:"model"`
		Route *struct{ Name string } `json:"route"`

		Upstream  string       `json:"upstream"`
		Chosen    *string      `json:"chosen"`
		Targets   []toldTarget `json:"targets"`
		Fallbacks []string     `json:"fallbacks"`
	}](ctx, s, "explain", values("model", in.Model, "dialect", in.Dialect, "key", in.Key))
	shown := explanation{Model: chat.Cut(told.Model, maxText), Upstream: told.Upstream, Chosen: told.Chosen, Targets: []target{}}
	if told.Route != nil {
		shown.Route = &told.Route.Name
	}
	var some []toldTarget
	some, shown.More = first(told.Targets)
	for _, each := range some {
		shown.Targets = append(shown.Targets, each.counted())
	}
	shown.Fallbacks, _ = first(told.Fallbacks)
	return shown, err
}
