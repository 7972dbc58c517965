package catalog

import (
	"fmt"
	"slices"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// resolveEndpoint is Resolve for a side endpoint. Upstreams whose driver can't pass
// requests on are passed over.
func (c *Catalog) resolveEndpoint(s *state, wish Wish) (Target, error) {
	model := wish.Model
	if model == "" {
		return c.unnamed(s, wish)
	}
	named, rest := s.named(model)
	if named != nil && named.passes() {
		return named.target(rest), nil
	}
	if e := c.best(passers(s.byModel[model]), wish); e != nil {
		return e.target(model), nil
	}
	if len(model) > maxModelID {
		return Target{}, tooLong(model)
	}
	if named != nil {
		return Target{}, named.lacks(wish)
	}
	if listed := s.byModel[model]; len(listed) > 0 {
		return Target{}, listed[0].lacks(wish)
	}
	return Target{}, Unknown(model)
}

// unnamed finds the upstream for a request that names no model: one that a setting names,
// or the only one that there can be.
func (c *Catalog) unnamed(s *state, wish Wish) (Target, error) {
	able := passers(s.entries)
	named := slices.DeleteFunc(slices.Clone(able), func(e *entry) bool { return !e.discipline.TakesUnnamed })
	if len(named) == 0 {
		if named = able; len(able) > 1 {
			named = slices.DeleteFunc(slices.Clone(able), func(e *entry) bool { return !c.hasTokens(e) })
		}
		if len(named) > 1 {
			named = nil
		}
	}
	if e := c.best(named, wish); e != nil {
		return e.target(""), nil
	}
	return Target{}, &chat.Error{
		Kind: chat.InvalidRequest, Param: "model",
		Message: "`model` is missing: name the model that shall answer; an upstream with the setting takes_unnamed = true would take requests without",
	}
}

// passers are the entries whose driver passes requests to side endpoints on.
func passers(entries []*entry) []*entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e *entry) bool { return !e.passes() })
}

func (e *entry) passes() bool {
	_, passes := e.driver.(upstream.Passer)
	return passes
}

// lacks is the error for an upstream without the endpoint.
func (e *entry) lacks(wish Wish) *chat.Error {
	return &chat.Error{
		Kind: chat.ModelNotSupported, Param: "model",
		Message: fmt.Sprintf("Model '%s' is of upstream %q, which has no /v1/%s: name a model of an OpenAI-compatible upstream",
			shorten(wish.Model), e.config.Name, wish.Endpoint),
	}
}
