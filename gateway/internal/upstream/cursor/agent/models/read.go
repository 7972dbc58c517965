package models

import (
	"strings"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// reading fills a catalog.
type reading struct {
	catalog *Catalog
	// listed are the ids that are in the list.
	listed map[string]bool
}

// model takes a model of the large list.
func (r *reading) model(source *agentv1.AiAvailableModel) {
	if source.GetName() == "" || source.SupportsAgent != nil && !source.GetSupportsAgent() {
		return
	}
	known := familyOf(source.GetName())
	read := &model{
		family: known.name,
		window: int(source.GetContextTokenLimit()),
		large:  int(source.GetContextTokenLimitForMaxMode()),
		vision: known.vision,
	}
	if read.window == 0 {
		read.window = known.window
	}
	if source.SupportsImages != nil {
		read.vision = source.GetSupportsImages()
	}
	r.variants(read, source)
	owner := ownerOf(source.GetName(), source.GetVendorName())
	for _, name := range r.names(source) {
		r.name(read, name)
		r.list(name, owner, source.GetIsHidden())
	}
	for _, old := range source.GetLegacySlugs() {
		r.name(read, old)
	}
	for _, each := range read.variants {
		r.list(each.id, owner, source.GetIsHidden())
	}
}

func (r *reading) names(source *agentv1.AiAvailableModel) []string {
	return append([]string{source.GetName()}, source.GetIdAliases()...)
}

// name lets a model be found by a name, unless another one has it.
func (r *reading) name(read *model, name string) {
	if _, taken := r.catalog.models[name]; !taken && len(r.catalog.models) < maxIDs {
		r.catalog.models[name] = read
	}
}

// variants takes the ways in which the model can be asked. Where the list tells none, there is
// the one without parameters.
func (r *reading) variants(read *model, source *agentv1.AiAvailableModel) {
	id := source.GetServerModelName()
	if id == "" {
		id = source.GetName()
	}
	for i, each := range source.GetVariants() {
		if i == maxVariants {
			break
		}
		made := &variant{
			model: read, id: each.GetLegacySlug(),
			requested: &agentv1.RequestedModel{ModelId: id, MaxMode: each.GetIsMaxMode()},
			isDefault: each.GetIsDefaultNonMaxConfig(),
		}
		for _, parameter := range each.GetParameterValues() {
			made.requested.Parameters = append(made.requested.Parameters, proto.CloneOf(parameter))
		}
		if made.id == "" {
			made.id = each.GetVariantStringRepresentation()
		}
		read.variants = append(read.variants, made)
		r.variant(made, made.id)
		r.variant(made, each.GetVariantStringRepresentation())
	}
	if len(read.variants) == 0 {
		read.variants = []*variant{{model: read, requested: &agentv1.RequestedModel{ModelId: id}, isDefault: true}}
	}
}

func (r *reading) variant(made *variant, id string) {
	if _, taken := r.catalog.variants[id]; id != "" && !taken && len(r.catalog.variants) < maxIDs {
		r.catalog.variants[id] = made
	}
}

// usable takes a model of the flat list.
func (r *reading) usable(details *agentv1.ModelDetails) {
	id := details.GetModelId()
	if id == "" {
		return
	}
	kept := proto.CloneOf(details)
	owner := ownerOf(id, "")
	for _, name := range append([]string{id}, details.GetAliases()...) {
		if _, taken := r.catalog.flat[name]; !taken && len(r.catalog.flat) < maxIDs {
			r.catalog.flat[name] = kept
		}
		r.list(name, owner, false)
	}
}

// list adds an id to what clients see, once. A hidden one is not seen, also not by the other
// list.
func (r *reading) list(id, owner string, hidden bool) {
	if id == "" || r.listed[id] || len(id) > maxIDLength || len(r.listed) == maxIDs || strings.TrimSpace(id) != id {
		return
	}
	r.listed[id] = true
	if !hidden {
		r.catalog.list = append(r.catalog.list, chat.Model{ID: id, OwnedBy: owner, Created: chat.UntoldCreated})
	}
}
