package upstreamsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// The scenarios of this file are streams of upstreams that stray from the API, or that use it in
// a way that readers stumble over. Without a stream, and where the request has no tools to call,
// the answer is the normal one, or that of "tool-call".

// rawChunk is a chunk of the first choice.
type rawChunk struct {
	delta  string // JSON
	finish string // JSON; "" is null
	after  string // JSON members beside the choices, a comma before each
}

func chunkOf(delta string) rawChunk { return rawChunk{delta: delta} }

func finishing(reason string) rawChunk { return rawChunk{delta: "{}", finish: quoted(reason)} }

func textChunk(field, text string) rawChunk {
	return chunkOf(`{"` + field + `":` + quoted(text) + `}`)
}

func textChunks(field string, pieces []string) []rawChunk {
	var chunks []rawChunk
	for _, piece := range pieces {
		chunks = append(chunks, textChunk(field, piece))
	}
	return chunks
}

// renderedChunk is a chunk as an event.
func (c *completionCall) renderedChunk(chunk rawChunk) []byte {
	finish := chunk.finish
	if finish == "" {
		finish = "null"
	}
	return c.format.endEvent([]byte(c.format.prefix + chunk.delta + `,"logprobs":null,"finish_reason":` + finish + `}]` + chunk.after + `}`))
}

// chunks sends chunks.
func (c *completionCall) chunks(chunks ...rawChunk) step {
	return func() error {
		for i, chunk := range chunks {
			if i > 0 {
				if err := c.between(); err != nil {
					return err
				}
			}
			if err := c.send(c.renderedChunk(chunk)); err != nil {
				return err
			}
		}
		return nil
	}
}

// usageChunk is the usage at the end, if it is wanted.
func (c *completionCall) usageChunk(r reply) step {
	return func() error {
		if c.asked() != usageAtEnd {
			return nil
		}
		return c.send(c.format.usageOnly(c.usageOf(r).json()))
	}
}

// straying is a stream of chunks for the normal answer; what begins and ends them is theirs.
func (c *completionCall) straying(chunks func(pieces []string) []rawChunk) error {
	r := c.fitted(says(c.pieces()))
	if !c.request.Stream {
		return c.tell(r, c.asked())
	}
	said := r.blocks[len(r.blocks)-1].pieces
	return inOrder(c.head, c.chunks(chunks(said)...), c.usageChunk(r), c.done)
}

// callPiece is a piece of a call in a delta.
type callPiece struct {
	Index    *int          `json:"index,omitempty"`
	ID       *string       `json:"id,omitempty"`
	Type     string        `json:"type,omitempty"`
	Function functionPiece `json:"function"`
}

type functionPiece struct {
	Name      *string         `json:"name,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// callForm is how an upstream writes calls. The zero form is that of the API.
type callForm struct {
	// pieces makes the pieces of a call from those of the API.
	pieces func(pieces []callPiece) []callPiece
	// mixed sends the calls' pieces in turns.
	mixed bool
	// together sends the first pieces of all calls in one chunk.
	together bool
	// finish comes before the API's, as JSON; none is no chunk.
	finish string
}

const noFinish = "none"

// everyPiece changes each piece; first tells the first one.
func everyPiece(change func(piece *callPiece, head callPiece, first bool)) func([]callPiece) []callPiece {
	return func(pieces []callPiece) []callPiece {
		head := pieces[0]
		for i := range pieces {
			change(&pieces[i], head, i == 0)
		}
		return pieces
	}
}

// callForms are the scenarios that are about calls.
var callForms = map[string]callForm{
	"call-no-id": {pieces: everyPiece(func(p *callPiece, _ callPiece, _ bool) { p.ID = nil })},
	"call-id-empty-later": {pieces: everyPiece(func(p *callPiece, _ callPiece, first bool) {
		if !first {
			p.ID, p.Function.Name = new(string), new(string)
		}
	})},
	"call-id-repeated": {pieces: everyPiece(func(p *callPiece, head callPiece, _ bool) { p.ID, p.Type = head.ID, head.Type })},
	"call-name-repeated": {pieces: everyPiece(func(p *callPiece, head callPiece, _ bool) {
		p.ID, p.Type, p.Function.Name = head.ID, head.Type, head.Function.Name
	})},
	"call-no-index":   {pieces: everyPiece(func(p *callPiece, _ callPiece, _ bool) { p.Index = nil })},
	"call-index-zero": {pieces: everyPiece(func(p *callPiece, _ callPiece, _ bool) { p.Index = new(int) })},
	"call-name-split": {pieces: splitName},
	"call-whole":      {pieces: func(pieces []callPiece) []callPiece { return []callPiece{wholePiece(pieces)} }},
	"call-no-type":    {pieces: everyPiece(func(p *callPiece, _ callPiece, _ bool) { p.Type = "" })},
	"call-arguments-object": {pieces: func(pieces []callPiece) []callPiece {
		whole := wholePiece(pieces)
		var text string
		_ = json.Unmarshal(whole.Function.Arguments, &text) // it is a string
		whole.Function.Arguments = json.RawMessage(text)
		return []callPiece{whole}
	}},
	"call-no-arguments": {pieces: func(pieces []callPiece) []callPiece {
		pieces[0].Function.Arguments = nil
		return pieces[:1]
	}},
	"call-empty-arguments": {pieces: func(pieces []callPiece) []callPiece { return pieces[:1] }},
	"call-huge": {pieces: func(pieces []callPiece) []callPiece {
		const size = 2 << 20
		pieces[1].Function.Arguments = jsonOf(`{"text":"` + strings.Repeat("a", size) + `"}`)
		return pieces[:2]
	}},
	"calls-mixed":       {mixed: true},
	"calls-together":    {together: true},
	"call-finish-stop":  {finish: `"stop"`},
	"call-finish-empty": {finish: `""`},
	"call-no-finish":    {finish: noFinish},
}

// splitName sends the name in three pieces, as local servers do that stream tokens.
func splitName(pieces []callPiece) []callPiece {
	head := pieces[0]
	name := *head.Function.Name
	cut := []string{name[:len(name)/3], name[len(name)/3 : len(name)/2], name[len(name)/2:]}
	split := make([]callPiece, 0, len(cut)+len(pieces))
	for i := range cut {
		piece := callPiece{Index: head.Index, Function: functionPiece{Name: &cut[i]}}
		if i == 0 {
			piece.ID, piece.Type = head.ID, head.Type
		}
		split = append(split, piece)
	}
	return append(split, pieces[1:]...)
}

// wholePiece is a call in one piece.
func wholePiece(pieces []callPiece) callPiece {
	whole := pieces[0]
	var arguments strings.Builder
	for _, piece := range pieces {
		var text string
		_ = json.Unmarshal(piece.Function.Arguments, &text) // it is a string
		arguments.WriteString(text)
	}
	whole.Function.Arguments = jsonOf(arguments.String())
	return whole
}

// apiPieces are the pieces of a call as the API sends them.
func (c *completionCall) apiPieces(b block, index int) []callPiece {
	id := c.toolCallID(0, index)
	pieces := []callPiece{{Index: &index, ID: &id, Type: "function", Function: functionPiece{Name: &b.name, Arguments: json.RawMessage(`""`)}}}
	for _, piece := range b.pieces {
		pieces = append(pieces, callPiece{Index: &index, Function: functionPiece{Arguments: json.RawMessage(quoted(piece))}})
	}
	return pieces
}

// strayingCalls are calls in one of callForms.
func (c *completionCall) strayingCalls(form callForm) error {
	r := c.fitted(c.toolReply(maxToolCalls))
	if !c.request.Stream || !r.has(callBlock) {
		return c.tell(r, c.asked())
	}
	var calls [][]callPiece
	for i, b := range r.blocks {
		pieces := c.apiPieces(b, i)
		if form.pieces != nil {
			pieces = form.pieces(pieces)
		}
		calls = append(calls, pieces)
	}
	chunks := append([]rawChunk{chunkOf(silentRoleDelta)}, form.chunks(calls)...)
	switch form.finish {
	case "":
		chunks = append(chunks, finishing(r.finish))
	case noFinish:
	default:
		chunks = append(chunks, rawChunk{delta: "{}", finish: form.finish})
	}
	return inOrder(c.head, c.chunks(chunks...), c.usageChunk(r), c.done)
}

func (f callForm) chunks(calls [][]callPiece) []rawChunk {
	var chunks []rawChunk
	add := func(pieces ...callPiece) {
		chunks = append(chunks, chunkOf(`{"tool_calls":`+string(jsonOf(pieces))+`}`))
	}
	if f.together {
		var heads []callPiece
		for i := range calls {
			heads = append(heads, calls[i][0])
			calls[i] = calls[i][1:]
		}
		add(heads...)
	}
	if !f.mixed {
		for _, piece := range slices.Concat(calls...) {
			add(piece)
		}
		return chunks
	}
	for turn, sent := 0, true; sent; turn++ {
		sent = false
		for _, pieces := range calls {
			if turn < len(pieces) {
				add(pieces[turn])
				sent = true
			}
		}
	}
	return chunks
}

// orderOf is a reply of blocks in an unusual order: t is half of the text, r reasoning, c a call.
func (c *completionCall) orderOf(order string) error {
	text := c.pieces()
	half := (len(text) + 1) / 2
	halves := [][]string{text[:half], text[half:]}
	calls := c.toolReply(maxToolCalls)
	if !calls.has(callBlock) && strings.Contains(order, "c") {
		return c.tell(calls, c.asked())
	}
	r := reply{finish: stop}
	texts := 0
	for _, kind := range order {
		switch kind {
		case 't':
			r.blocks = append(r.blocks, block{pieces: halves[texts%2]})
			texts++
		case 'r':
			r.blocks = append(r.blocks, reasoningOf(thoughts))
		case 'c':
			if len(calls.blocks) > 0 {
				r.blocks, calls.blocks = append(r.blocks, calls.blocks[0]), calls.blocks[1:]
				r.finish = calls.finish
			}
		}
	}
	return c.tell(r, c.asked())
}

// oneChunk says everything at once: reasoning, text and calls.
func (c *completionCall) oneChunk() error {
	calls := c.fitted(c.toolReply(maxToolCalls))
	if !c.request.Stream || !calls.has(callBlock) {
		return c.tell(calls, c.asked())
	}
	var pieces []callPiece
	for i, b := range calls.blocks {
		pieces = append(pieces, wholePiece(c.apiPieces(b, i)))
	}
	all := `{"role":"assistant","reasoning_content":` + quoted(strings.Join(thoughts, "")) + `,"content":` + quoted(c.request.lastText()) +
		`,"tool_calls":` + string(jsonOf(pieces)) + `}`
	return inOrder(c.head, c.chunks(chunkOf(all), finishing(calls.finish)), c.usageChunk(calls), c.done)
}

// callCut ends in the middle of a call's arguments.
func (c *completionCall) callCut() error {
	r := c.toolReply(1)
	if !r.has(callBlock) {
		return c.tell(r, c.asked())
	}
	arguments := strings.Join(r.blocks[0].pieces, "")
	r.blocks[0].pieces, r.finish = pieces(arguments[:len(arguments)/2]), "length"
	return c.tell(r, c.asked())
}

// errorFirst is a success whose first event is an error.
func (c *completionCall) errorFirst() error {
	failure := jsonOf(statusError(http.StatusServiceUnavailable, "").body())
	if !c.request.Stream {
		return c.answerWhole(http.StatusOK, jsonType, failure)
	}
	return inOrder(c.head, c.end(c.format.data(string(failure))))
}

// errorBesideChoices ends in a chunk that has an error and a choice.
func (c *completionCall) errorBesideChoices() error {
	if !c.request.Stream {
		return c.errorAfterText()
	}
	failure, _ := strings.CutPrefix(string(jsonOf(statusError(http.StatusInternalServerError, "").body())), "{")
	return inOrder(c.beginning, c.end(c.renderedChunk(rawChunk{delta: `{"content":""}`, finish: `"error"`, after: "," + strings.TrimSuffix(failure, "}")})))
}

// driftingTime has another created in each chunk, and a role in each.
func (c *completionCall) driftingTime() error {
	if !c.request.Stream {
		return c.echo()
	}
	r := c.fitted(says(c.pieces()))
	steps := []step{c.head}
	for _, piece := range r.blocks[len(r.blocks)-1].pieces {
		steps = append(steps, func() error {
			c.format.created++
			c.format.render()
			return c.send(c.renderedChunk(chunkOf(`{"role":"assistant","content":` + quoted(piece) + `}`)))
		})
	}
	return inOrder(append(steps, c.last(r, c.asked()), c.done)...)
}

// emptyChoicesFirst begins with a chunk without a choice, as Azure's does.
func (c *completionCall) emptyChoicesFirst() error {
	if !c.request.Stream {
		return c.echo()
	}
	first := c.format.endEvent([]byte(c.format.head() + `"choices":[],"prompt_filter_results":[]}`))
	return inOrder(c.head, c.event(first), c.stream(c.fitted(c.normalReply()), c.asked()))
}

// usageWithChoice has a choice in the chunk of the usage.
func (c *completionCall) usageWithChoice() error {
	return c.straying(func(said []string) []rawChunk {
		usage := usageCounts{prompt: c.request.promptTokens(), completion: len(said)}
		c.request.StreamOptions = nil // it has been told
		return slices.Concat([]rawChunk{chunkOf(roleDelta)}, textChunks("content", said),
			[]rawChunk{finishing(stop), {delta: `{}`, after: `,"usage":` + usage.json()}})
	})
}

// usageEverywhere counts in every chunk, as vLLM does when it is asked to.
func (c *completionCall) usageEverywhere() error {
	return c.straying(func(said []string) []rawChunk {
		chunks := slices.Concat([]rawChunk{chunkOf(roleDelta)}, textChunks("content", said), []rawChunk{finishing(stop)})
		for i := range chunks {
			usage := usageCounts{prompt: c.request.promptTokens(), completion: min(i, len(said))}
			chunks[i].after = `,"usage":` + usage.json()
		}
		return chunks
	})
}

// otherForm answers an object to who wants a stream, or the reverse.
func (c *completionCall) otherForm(streamed bool) error {
	if c.request.Stream == streamed {
		return c.echo()
	}
	c.request.Stream = streamed
	c.format.render()
	return c.echo()
}

// afterDone sends more after the end mark.
func (c *completionCall) afterDone() error {
	if !c.request.Stream {
		return c.echo()
	}
	r := c.fitted(c.normalReply())
	mark := c.format.data("[DONE]")
	more := c.renderedChunk(textChunk("content", "more"))
	return inOrder(c.head, c.begin(r), c.blocks(r), c.last(r, c.asked()), c.end(slices.Concat(mark, more)))
}

// aroundText are chunks with a usual beginning and end, and the text in between.
func aroundText(change func(chunks []rawChunk) []rawChunk) func(*completionCall) error {
	return func(c *completionCall) error {
		return c.straying(func(said []string) []rawChunk {
			return change(slices.Concat([]rawChunk{chunkOf(roleDelta)}, textChunks("content", said), []rawChunk{finishing(stop)}))
		})
	}
}

// withFinish ends with another finish_reason, as JSON.
func withFinish(finish string) func(*completionCall) error {
	return aroundText(func(chunks []rawChunk) []rawChunk {
		chunks[len(chunks)-1].finish = finish
		return chunks
	})
}

// defects are the scenarios of this file by name.
func defects() map[string]func(*completionCall) error {
	all := map[string]func(*completionCall) error{
		"call-cut":            (*completionCall).callCut,
		"one-chunk":           (*completionCall).oneChunk,
		"text-reasoning-text": func(c *completionCall) error { return c.orderOf("trt") },
		"text-call-text-call": func(c *completionCall) error { return c.orderOf("tctc") },
		"reasoning-text-call": func(c *completionCall) error { return c.orderOf("rtc") },
		"call-then-text":      func(c *completionCall) error { return c.orderOf("ct") },
		"finish-tool-calls":   withFinish(`"tool_calls"`),
		"finish-error":        withFinish(`"error"`),
		"finish-vendor-code":  withFinish(`"insufficient_system_resource"`),
		"finish-empty":        withFinish(`""`),
		"no-finish":           aroundText(func(chunks []rawChunk) []rawChunk { return chunks[:len(chunks)-1] }),
		"finish-with-content": aroundText(func(chunks []rawChunk) []rawChunk {
			last := len(chunks) - 2
			chunks[last].finish = quoted(stop)
			return chunks[:last+1]
		}),
		"no-role": aroundText(func(chunks []rawChunk) []rawChunk { return chunks[1:] }),
		"first-chunk-content": aroundText(func(chunks []rawChunk) []rawChunk {
			chunks[1].delta = `{"role":"assistant",` + chunks[1].delta[1:]
			return chunks[1:]
		}),
		"empty-pieces": aroundText(func(chunks []rawChunk) []rawChunk {
			for i := len(chunks) - 1; i > 1; i-- {
				chunks = slices.Insert(chunks, i, textChunk("content", ""))
			}
			return chunks
		}),
		"empty-calls": aroundText(func(chunks []rawChunk) []rawChunk {
			for i := range chunks[:len(chunks)-1] {
				chunks[i].delta = strings.TrimSuffix(chunks[i].delta, "}") + `,"tool_calls":[]}`
			}
			return chunks
		}),
		"time-drifts":             (*completionCall).driftingTime,
		"empty-choices-first":     (*completionCall).emptyChoicesFirst,
		"usage-chunk-with-choice": (*completionCall).usageWithChoice,
		"usage-everywhere":        (*completionCall).usageEverywhere,
		"error-first":             (*completionCall).errorFirst,
		"error-beside-choices":    (*completionCall).errorBesideChoices,
		"stream-always":           func(c *completionCall) error { return c.otherForm(true) },
		"object-always":           func(c *completionCall) error { return c.otherForm(false) },
		"after-done":              (*completionCall).afterDone,
	}
	for name, form := range callForms {
		all[name] = func(c *completionCall) error { return c.strayingCalls(form) }
	}
	return all
}
