// Package pricing knows what models cost: by a table that is built in, and by what an admin has
// set and imported over it. It does no I/O.
package pricing

import (
	"strings"
	"sync"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/reqlog"
)

const (
	// maxFound bounds how many answers a table remembers; with one more it begins anew.
	maxFound = 4096
	// maxName bounds the names that it looks for, in bytes.
	maxName = 200
)

// Table is a table of prices. It is safe for concurrent use. The zero Table has what is built
// in.
//
// A model's price is the first that there is of these: what an admin set, what was imported,
// what is built in. Among the first two one for the model's upstream and its id goes before one
// for its id at any upstream, and that before patterns: see rules.
type Table struct {
	mu            sync.RWMutex
	set, imported rules
	// found is what was looked up since the last update. It is nil before the first.
	found map[place]listing
}

// place is a model of an upstream.
type place struct{ upstream, model string }

// listing is what is known of a model.
type listing struct {
	price     Price
	maxOutput int
}

// Update replaces the prices that are set and imported.
func (t *Table) Update(prices []Price) {
	set, imported := rules{}, rules{}
	for _, price := range prices {
		if price.Source == "" {
			set.add(price)
		} else {
			imported.add(price)
		}
	}
	set.order()
	imported.order()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set, t.imported, t.found = set, imported, nil
}

// Cost is what the usage of an upstream's model costs.
func (t *Table) Cost(upstreamName, model string, usage chat.Usage) (money.Pico, reqlog.CostQuality) {
	known := t.of(upstreamName, model)
	return known.price.cost(usage)
}

// Most is what so many tokens may cost at most; 0 where the model has no price.
func (t *Table) Most(upstreamName, model string, prompt, completion int) money.Pico {
	known := t.of(upstreamName, model)
	return known.price.most(prompt, completion)
}

// MaxOutput is how many tokens the model can answer at most; 0: that is not known. It is always
// that of the built-in table.
func (t *Table) MaxOutput(upstreamName, model string) int {
	return t.of(upstreamName, model).maxOutput
}

// Priced tells whether a model has a price.
func (t *Table) Priced(upstreamName, model string) bool {
	known := t.of(upstreamName, model)
	return known.price.priced()
}

// of looks a model up.
func (t *Table) of(upstreamName, model string) listing {
	at := place{upstreamName, model}
	t.mu.RLock()
	known, is := t.found[at]
	t.mu.RUnlock()
	if is || len(model) > maxName {
		return known
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	known = t.lookUp(at)
	if t.found == nil || len(t.found) >= maxFound {
		t.found = map[place]listing{}
	}
	t.found[place{strings.Clone(upstreamName), strings.Clone(model)}] = known // they may be parts of a body
	return known
}

func (t *Table) lookUp(at place) listing {
	built := builtIn().find(at.model)
	known := listing{price: built.Price, maxOutput: built.maxOutput}
	for _, over := range []*rules{&t.set, &t.imported} {
		if price, is := over.find(at); is {
			known.price = price
			break
		}
	}
	return known
}
