package models

import (
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// Bounds of what is kept of an upstream's lists: some ten times of what has been seen.
const (
	maxModels   = 1000
	maxVariants = 200 // of one model
	maxIDs      = 8000
	maxIDLength = 256 // bytes
)

// Catalog is what an upstream serves to an account. It does not change. A nil one knows
// nothing but what is built in.
type Catalog struct {
	// models are by each of their names, variants by their flat id and by what they are
	// called with parameters.
	models   map[string]*model
	variants map[string]*variant
	// flat are the ids that may be sent as they are, and names for these.
	flat map[string]*agentv1.ModelDetails
	list []chat.Model
}

// model is a model of the list, with all its variants.
type model struct {
	family        string
	window, large int // in tokens, usually and in max mode
	vision        bool
	variants      []*variant
}

// variant is one way in which a model can be asked.
type variant struct {
	model *model
	// id is its flat id; empty where it has none.
	id        string
	requested *agentv1.RequestedModel
	isDefault bool
}

// Read reads an upstream's lists, each of which may be nil.
func Read(available *agentv1.AiAvailableModelsResponse, usable *agentv1.GetUsableModelsResponse) *Catalog {
	c := &Catalog{models: map[string]*model{}, variants: map[string]*variant{}, flat: map[string]*agentv1.ModelDetails{}}
	reader := reading{catalog: c, listed: map[string]bool{}}
	for i, each := range available.GetModels() {
		if i < maxModels {
			reader.model(each)
		}
	}
	for _, each := range usable.GetModels() {
		reader.usable(each)
	}
	return c
}

// List answers the ids that clients may name, in the upstream's order.
func (c *Catalog) List() []chat.Model {
	if c == nil {
		return nil
	}
	return slices.Clone(c.list)
}

// Choose finds what an id and a wish for effort ask for. An id that says an effort keeps it;
// one that nobody knows is sent as it is, since the upstream may know it.
func (c *Catalog) Choose(id, effort string) Choice {
	if c == nil {
		return verbatim(id, effort)
	}
	if exact, known := c.variants[id]; known {
		return exact.choice()
	}
	if named, known := c.models[id]; known && len(named.variants) > 0 {
		return named.pick(effort).choice()
	}
	return c.listed(id, effort)
}

// listed takes an id of the flat list, or a name of it: as it is, unless the wish for effort
// names another one of the list.
func (c *Catalog) listed(id, effort string) Choice {
	own, known := c.flat[id]
	if known {
		id = own.GetModelId()
	}
	choice := verbatim(id, effort)
	if wished, listed := c.flat[choice.Requested.GetModelId()]; listed {
		own, known = wished, true
	}
	if known {
		choice.Requested.ModelId, choice.Details = own.GetModelId(), own
	}
	return choice.own()
}

func (v *variant) choice() Choice {
	choice := Choice{Requested: v.requested, Family: v.model.family, Window: v.model.window, Vision: v.model.vision}
	if v.requested.GetMaxMode() && v.model.large > 0 {
		choice.Window = v.model.large
	}
	if v.thinks() {
		choice.Details = detailsOf(v.name())
		choice.Details.ThinkingDetails = &agentv1.ThinkingDetails{}
	}
	return choice.own()
}

// name is what the variant is called where only one word fits.
func (v *variant) name() string {
	if v.id != "" {
		return v.id
	}
	return v.requested.GetModelId()
}

func (v *variant) thinks() bool {
	return strings.Contains(v.id, thinkingMark) || v.parameter(thinkingMark) == "true"
}

func (v *variant) parameter(id string) string {
	for _, each := range v.requested.GetParameters() {
		if each.GetId() == id {
			return each.GetValue()
		}
	}
	return ""
}
