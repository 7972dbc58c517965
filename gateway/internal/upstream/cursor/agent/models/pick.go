package models

// effortParameters are what makers call how much a model thinks.
var effortParameters = map[string]bool{"effort": true, "reasoning": true, "reasoning_effort": true}

// effort is how much the variant thinks; empty: it does not say.
func (v *variant) effort() string {
	for _, each := range v.requested.GetParameters() {
		if effortParameters[each.GetId()] {
			return each.GetValue()
		}
	}
	return ""
}

// pick finds the variant with an effort that is otherwise most like the usual one. Where the
// model can also be asked to think or not, that follows the wish.
func (m *model) pick(effort string) *variant {
	usual := m.usual()
	var offered []string
	for _, each := range m.variants {
		if each.requested.GetMaxMode() == usual.requested.GetMaxMode() {
			offered = append(offered, each.effort())
		}
	}
	chosen, found := nearest(effort, offered)
	if !found {
		return usual
	}
	best, least := usual, -1
	for _, each := range m.variants {
		if each.effort() != chosen || each.requested.GetMaxMode() != usual.requested.GetMaxMode() {
			continue
		}
		if far := each.distance(usual, effort); least < 0 || far < least {
			best, least = each, far
		}
	}
	return best
}

// usual is the variant for a client that names no more than the model.
func (m *model) usual() *variant {
	for _, each := range m.variants {
		if each.isDefault {
			return each
		}
	}
	for _, each := range m.variants {
		if !each.requested.GetMaxMode() {
			return each
		}
	}
	return m.variants[0]
}

// distance counts in what a variant differs from the usual one beside its effort. Whether it
// thinks counts by the wish instead.
func (v *variant) distance(usual *variant, wish string) int {
	far := 0
	for _, each := range v.requested.GetParameters() {
		switch id := each.GetId(); {
		case effortParameters[id]:
		case id == thinkingMark:
			if wants := wish != "none"; (each.GetValue() == "true") != wants {
				far++
			}
		case each.GetValue() != usual.parameter(id):
			far += 2 // the wish says nothing of these
		}
	}
	return far
}
