package pricing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"carousel.internal/gateway/internal/ondemand"
	"carousel.internal/gateway/internal/pattern"
)

// The powers of ten that make pico-dollars a token of dollars a token, and of dollars for a
// million.
const (
	perTokenPower   = 12
	perMillionPower = 6
)

// readLiteLLM reads LiteLLM's model_prices_and_context_window.json: an object of model to its
// facts, with dollars a token.
func readLiteLLM(file []byte) (*Import, error) {
	found, known := &Import{}, names{}
	err := eachMember(file, func(model string, value json.RawMessage) {
		if model == "sample_spec" {
			found.skip(model, "it explains the format")
			return
		}
		found.takeJSON(model, value, perTokenPower, known, rateNames{
			input: "input_cost_per_token", output: "output_cost_per_token",
			cacheRead: "cache_read_input_token_cost", cacheWrite: "cache_creation_input_token_cost",
			cacheWriteHour: "cache_creation_input_token_cost_above_1hr", reasoning: "output_cost_per_reasoning_token",
		})
	})
	return found, err
}

// readModelsDev reads the api.json of models.dev: an object of provider to models with their
// costs, in dollars for a million. Many providers serve the same models by the same ids. The
// price is that of the first provider that is in the built-in table, else of the first at all.
func readModelsDev(file []byte) (*Import, error) {
	makers, others := &Import{}, &Import{}
	makersKnown, othersKnown := names{}, names{}
	err := eachMember(file, func(provider string, value json.RawMessage) {
		if builtIn().providers[provider] {
			makers.takeProvider(provider, value, makersKnown)
		} else {
			others.takeProvider(provider, value, othersKnown)
		}
	})
	if err != nil {
		return nil, err
	}
	return makers.joined(others, makersKnown), nil
}

// takeProvider adds the models of a provider of models.dev.
func (r *Import) takeProvider(provider string, value json.RawMessage, known names) {
	models := member(value, "models")
	if models == nil {
		r.skip(provider, "it is no provider with models")
		return
	}
	err := eachMember(models, func(model string, value json.RawMessage) {
		cost := member(value, "cost")
		if cost == nil {
			r.skip(provider+"/"+model, "it has no price for tokens")
			return
		}
		r.takeJSON(model, cost, perMillionPower, known, rateNames{
			input: "input", output: "output", cacheRead: "cache_read", cacheWrite: "cache_write", reasoning: "reasoning",
		})
	})
	if err != nil {
		r.skip(provider, "its models: %v", err)
	}
}

// member is a member of an object; nil where there is none, or no object.
func member(object json.RawMessage, name string) json.RawMessage {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(object, &members) // what is no object has no members
	return members[name]
}

// joined is both imports; what the first one has holds.
func (r *Import) joined(others *Import, known names) *Import {
	said := map[string]remarks{}
	for _, name := range others.Rounded {
		said[name] = remarks{finer: true}
	}
	for _, name := range others.Tiered {
		said[name] = remarks{finer: said[name].finer, tiered: true}
	}
	for _, price := range others.Prices {
		r.take(price, said[price.Match], known)
	}
	r.Skipped = append(r.Skipped, others.Skipped...)
	return r
}

// rateNames are what a format calls the rates; empty: it has none.
type rateNames struct{ input, output, cacheRead, cacheWrite, cacheWriteHour, reasoning string }

// takeJSON adds a model by an object of its rates.
func (r *Import) takeJSON(model string, value json.RawMessage, power int, known names, named rateNames) {
	var facts map[string]json.RawMessage
	if err := json.Unmarshal(value, &facts); err != nil {
		r.skip(model, "its facts are no object")
		return
	}
	if pattern.Is(model) {
		r.skip(model, "its name has a `*`")
		return
	}
	price, said := Price{Match: model}, remarks{tiered: isTiered(facts)}
	for _, each := range [...]struct {
		name string
		into *Rate
	}{
		{named.input, &price.Input},
		{named.output, &price.Output},
		{named.cacheRead, &price.CacheRead},
		{named.cacheWrite, &price.CacheWrite},
		{named.cacheWriteHour, &price.CacheWriteHour},
		{named.reasoning, &price.Reasoning},
	} {
		text := string(facts[each.name])
		if text == "" || text == "null" {
			continue
		}
		rate, isFiner, err := scaled(strings.Trim(text, `"`), power) // some write numbers as texts
		if err != nil {
			r.skip(model, "%s: %v", each.name, err)
			return
		}
		*each.into, said.finer = rate, said.finer || isFiner
	}
	r.take(price, said, known)
}

// longPrompt is how the formats name what a model costs for prompts above some length.
var longPrompt = ondemand.Regexp(`^context_over_|^tiers$|_above_\d+k_tokens$`)

// isTiered tells whether facts list other rates for long prompts.
func isTiered(facts map[string]json.RawMessage) bool {
	for name, value := range facts {
		if longPrompt.MatchString(name) && string(value) != "null" {
			return true
		}
	}
	return false
}

// eachMember calls take with each member of a JSON object, in order; a name may come twice.
func eachMember(object []byte, take func(name string, value json.RawMessage)) error {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return notJSON(err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return notJSON(err)
		}
		text, _ := name.(string) // the decoder sees to it
		take(text, value)
	}
	if _, err := decoder.Token(); err != nil {
		return notJSON(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("it goes on after its JSON object")
	}
	return nil
}

func notJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is not valid JSON: it ends early")
	}
	return fmt.Errorf("it is not valid JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
}
