package relay

import (
	"context"
	"errors"
	"io"
	"iter"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// Carry is Chat for a request to a side endpoint, which is passed on as it is, and so is
// its answer. An answer that ends with an error of the upstream's own has told it, so that
// none is yielded.
func (r *Relay) Carry(ctx context.Context, request *carried.Request, from caller.Caller, choice lease.Choice) iter.Seq2[carried.Piece, error] {
	return func(yield func(carried.Piece, error) bool) {
		policy := r.Policy()
		ctx, cancel := within(ctx, policy.Total)
		defer cancel()
		run := &run{relay: r, policy: policy, caller: from, choice: choice, dialect: request.Dialect}
		passage := &passage{run: run, request: request, yield: yield}
		run.cargo = passage
		run.entry = reqlog.Entry{
			ID: request.ID, Caller: from, Dialect: request.Dialect + "/" + request.Route.Name, StartedAt: request.Created, Model: request.Model, Stream: request.Stream,
		}
		if err := run.account(ctx); err != nil && !run.gone && !passage.told {
			yield(carried.Piece{}, err)
		}
	}
}

// passage is the cargo of a request that is passed on as it is.
type passage struct {
	*run
	request *carried.Request
	yield   func(carried.Piece, error) bool
	counted *chat.Usage
	// told: the upstream has told the client of its failure.
	told bool
	// said, whole and left belong to the present attempt: what it has answered where that is text,
	// whether that has come to its end, and whether this side has ended it while the upstream was
	// at work.
	said        wording
	whole, left bool
}

func (p *passage) model() string { return p.request.Model }

func (p *passage) wish(model string) catalog.Wish {
	return catalog.Wish{Model: model, OwnToken: p.choice.Own != nil, Endpoint: p.request.Route.Name, Key: p.key}
}

// tune implements cargo: parameters are of chats.
func (p *passage) tune([]chat.Parameter) *chat.Error { return nil }

func (p *passage) prepare(context.Context) *chat.Error { return nil }

func (p *passage) affinityKey() string {
	if p.hasChosen() { // there is no choice
		return ""
	}
	return p.policy.keyOfName(p.request.Session, p.request.User)
}

// unseal implements cargo: there are no seals.
func (p *passage) unseal(*upstream.Failure) bool { return false }

// mayRepeat implements cargo. What the upstream may have begun, it may charge for, unless
// it has refused it.
func (p *passage) mayRepeat(failure *upstream.Failure) bool {
	switch failure.Class {
	case upstream.Broken, upstream.Transport, upstream.Truncated:
		return !p.request.Route.Costly || errors.Is(failure, upstream.ErrUnsent)
	default: // it has said no
		return true
	}
}

// operation implements cargo: where the conventions have no name, it is the endpoint's.
func (p *passage) operation() string {
	if p.request.Route.Name == "completions" {
		return "text_completion"
	}
	return p.request.Route.Name
}

// limitedApart implements cargo.
func (p *passage) limitedApart() bool { return false }

func (p *passage) mayChange() bool { return !p.request.Route.SameModel }

// goesOn implements cargo.
func (p *passage) goesOn(context.Context) *lease.Lease { return nil }

// parks implements cargo.
func (p *passage) parks(*upstream.Failure) bool { return false }

func (p *passage) usage() chat.Usage {
	switch {
	case p.counted != nil:
		return p.counted.Bounded()
	case !p.isText() || !p.sent && !p.left:
		return chat.Usage{Source: chat.UsageUnknown}
	case p.whole:
		return p.said.estimate(p.request, chat.UsageEstimated)
	default:
		return p.said.estimate(p.request, chat.UsagePartial)
	}
}

// isText tells whether the answer is text that can be counted.
func (p *passage) isText() bool { return p.request.Route.Text && p.request.HasBody() }

func (p *passage) prompt() (text string, cut bool) {
	if p.request.Prompt == "" {
		return "", false
	}
	return promptOf(&chat.Request{Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: p.request.Prompt}}}}})
}

// pieceBytes is how much of an answer is passed on at once, at most.
const pieceBytes = 32 << 10

// transmit implements cargo.
func (p *passage) transmit(ctx context.Context, credential upstream.Credential) *upstream.Failure {
	passer, able := p.target.Driver.(upstream.Passer)
	if !able { // an admin has given the upstream another driver while the request waited
		return &upstream.Failure{Class: upstream.CallerFault, Message: "it has no such endpoint any more"}
	}
	rules := p.target.Discipline.Rules
	p.said, p.left, p.whole = wording{}, false, false
	over := ctx.Err() != nil // then no upstream gets it
	answer, err := passer.Pass(ctx, p.call(credential))
	if err != nil {
		failure := failureOf(ctx, err, rules)
		p.left = !over && ctx.Err() != nil && failure.Class.Ours()
		return failure
	}
	defer func() { _ = answer.Body.Close() }()
	p.begun()
	head := carried.Head{Status: answer.Status, Header: answer.Header, Length: answer.Length, FallbackModel: p.entry.FallbackModel}
	if !p.send(carried.Piece{Head: &head}) {
		return hungUp
	}
	buffer := make([]byte, pieceBytes)
	for {
		n, err := answer.Body.Read(buffer)
		if n > 0 {
			p.answering()
		}
		if p.isText() {
			p.said.add(buffer[:n])
		}
		if n > 0 && !p.send(carried.Piece{Bytes: buffer[:n]}) {
			return hungUp
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return failureOf(ctx, err, rules)
		}
	}
	p.whole = true
	usage, told := answer.End()
	if !p.request.HasBody() {
		usage = nil // it was counted when it was made
	}
	p.counted = usage
	if told != nil {
		p.told = true
		return failureOf(ctx, told, rules)
	}
	if usage != nil && !p.send(carried.Piece{Usage: usage}) {
		return hungUp
	}
	return nil
}

func (p *passage) call(credential upstream.Credential) *upstream.RawCall {
	request := p.request
	body := request.Body(p.target.Model)
	return &upstream.RawCall{
		Method: request.Method, Path: request.Route.Name + request.Below, Query: request.Query, Header: request.Header, Open: body.Open, Length: body.Length,
		Stream: request.Stream, Slow: request.Route.Slow, Once: request.Route.Costly, Vectors: upstream.VectorForm(request.Vectors),
		Credential: credential,
	}
}

func (p *passage) send(piece carried.Piece) bool {
	if !p.yield(piece, nil) {
		p.gone = true
		return false
	}
	return true
}
