package relay

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"slices"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/tokencount"
)

const (
	// usualAnswer is how many tokens are set aside for an answer that nothing else bounds. Of
	// a longer one all is counted all the same, at its end.
	usualAnswer = 8192
	// maxChoices bounds how many answers a request may ask for, as far as it counts here.
	maxChoices = 128
	// bodyBytes is how many bytes of a side endpoint's body count as a token, and uploadTokens
	// what one with files counts as.
	bodyBytes    = 3
	uploadTokens = 2000
)

// room is how much a request may use of its upstream's model, in tokens.
type room struct {
	prompt int
	// answer is what the request bounds it to; 0: it does not.
	answer int
	// choices is how many answers there are; 0: there is none to count.
	choices int
}

// mayUse is nil where the caller's key may be used for the model that the request names. A key
// that may not is told no more than if nobody served it.
func (r *run) mayUse() *chat.Error {
	if key, model := r.caller.Key, r.cargo.model(); key != nil && !key.MayUse(model) {
		return catalog.Unknown(model)
	}
	return nil
}

// isLimited tells whether the caller's key has limits.
func (r *run) isLimited() bool { return r.caller.Key != nil && len(r.caller.Key.Limits) > 0 }

// chargeFor is the most that the request may use of its key, whichever target serves it.
func (r *run) chargeFor(plan catalog.Plan) *lease.Charge {
	key := r.caller.Key
	charge := &lease.Charge{KeyID: key.ID, Most: lease.Amounts{Requests: 1, AtOnce: 1}}
	of := r.cargo.room()
	if of == (room{}) {
		return charge
	}
	for target := range r.reach(&plan) {
		answer := of.answerOf(r.relay.Prices.MaxOutput(target.Upstream, target.Model))
		charge.Most.Tokens = max(charge.Most.Tokens, uint64(of.prompt+answer)) //nolint:gosec // neither is below zero
		charge.Most.Cost = max(charge.Most.Cost, r.relay.Prices.Most(target.Upstream, target.Model, of.prompt, answer))
	}
	return charge
}

// answerOf is how many tokens a model may answer with that can answer with so many at a time; 0:
// that is not known.
func (r room) answerOf(most int) int {
	answer := cmp.Or(r.answer, usualAnswer)
	if most > 0 {
		answer = min(answer, most)
	}
	return answer * r.choices
}

// reach are the targets that the request may be sent to: those of its plan, and of the models to
// which it may fall back.
func (r *run) reach(plan *catalog.Plan) iter.Seq[catalog.Target] {
	return func(yield func(catalog.Target) bool) {
		for target := range plan.Targets() {
			if !yield(target) {
				return
			}
		}
		if r.hasChosen() || !r.cargo.mayChange() {
			return
		}
		for _, model := range plan.First.Discipline.Fallbacks(plan.First.Model) {
			wish := r.cargo.wish(model)
			wish.Look = true
			fallback, err := r.relay.Catalog.Resolve(wish)
			if err != nil {
				continue
			}
			for target := range fallback.Targets() {
				if !yield(target) {
					return
				}
			}
		}
	}
}

// setAside has what the request may use set aside for one that needs no lease; false where there
// is no room, or that is not known in time.
func (r *run) setAside(ctx context.Context) bool {
	return r.charge == nil || r.relay.Leases.SetAside(ctx, r.charge)
}

// pay pays for what the request has used: nothing, if nothing was sent.
func (r *run) pay() {
	if r.charge == nil {
		return
	}
	used := lease.Amounts{}
	if r.entry.Attempts > 0 {
		usage := r.entry.Usage
		used = lease.Amounts{Requests: 1, Tokens: uint64(max(usage.Prompt, 0)) + uint64(max(usage.Completion, 0)), Cost: r.entry.Cost}
	}
	r.relay.Leases.Pay(r.charge, used)
}

// room implements cargo.
func (c *conversation) room() room {
	return room{prompt: tokencount.AtMost(c.asked), answer: c.asked.MaxTokens, choices: choicesOf(c.asked)}
}

// choicesOf is how many answers a request asks for.
func choicesOf(request *chat.Request) int {
	if !slices.ContainsFunc(request.Asks, func(ask chat.Ask) bool { return ask.Need == chat.Choices }) {
		return 1
	}
	var body struct {
		N int `json:"n"`
	}
	if json.Unmarshal(request.Source.JSON, &body) != nil {
		return 1 // its upstream will refuse it
	}
	return min(max(body.N, 1), maxChoices)
}

// room implements cargo. What is uploaded is not looked at: its size says little.
func (p *passage) room() room {
	if !p.request.HasBody() {
		return room{} // it was charged when it was made
	}
	fits := room{
		prompt: int(p.request.Body(p.request.Model).Length / bodyBytes), answer: p.request.MaxTokens,
		choices: min(max(p.request.Choices, 1), maxChoices),
	}
	if p.request.Route.Upload {
		fits.prompt = len(p.request.Prompt) + uploadTokens
	}
	if p.request.Route.SameModel { // vectors and ranks are no tokens
		fits.choices = 0
	}
	return fits
}

// room implements cargo: counting is not charged.
func (c *counting) room() room { return room{} }
