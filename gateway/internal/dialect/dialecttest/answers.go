package dialecttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// generator makes answers as drivers promise them: blocks one after the other, closed before
// the finish, counts last.
type generator struct {
	*rand.Rand
	events []chat.Event
	blocks int
}

// Generate makes an answer.
func Generate(seed uint64) []chat.Event {
	g := generator{Rand: rand.New(rand.NewPCG(seed, seed))} //nolint:gosec // the same answers each time
	if g.IntN(3) == 0 {
		g.events = append(g.events, chat.Event{Begin: &chat.Beginning{Input: &chat.Usage{Prompt: 1 + g.IntN(9)}}})
	}
	blocks := g.IntN(5)
	finish := []chat.FinishReason{chat.Stop, chat.CalledTools, chat.Length, chat.ContentFilter, chat.StoppedAt, chat.Paused, chat.Refused, chat.WindowFull}[g.IntN(8)]
	for i := range blocks {
		g.block(finish == chat.Length && i == blocks-1)
	}
	end := chat.Event{Finish: finish}
	if finish == chat.StoppedAt && g.IntN(2) == 0 {
		end.StopText = "END"
	}
	if usage := (&chat.Usage{
		Prompt: 40 + g.IntN(100), CacheRead: g.IntN(30), CacheWrite: g.IntN(10), CacheWriteHour: g.IntN(5),
		Completion: 20 + g.IntN(100), Reasoning: g.IntN(20),
	}); g.IntN(2) == 0 {
		end.Usage = usage
		g.events = append(g.events, end)
	} else {
		g.events = append(g.events, end, chat.Event{Usage: usage})
	}
	for i := range g.events[:len(g.events)-1] {
		g.events[i].More = g.IntN(2) == 0
	}
	return g.events
}

// words are what some encoder stumbles over.
var words = []string{"Hello", " ", "\n\n", "\"quoted\"", `\`, "\u65e5\u672c", "\U0001f642", "</script>", "data: x", "\u2028", "\x00", "event: ping\n\n", "{}"}

// block adds a block; cut: the output limit came within it.
func (g *generator) block(cut bool) {
	kind := []chat.BlockKind{chat.TextBlock, chat.ReasoningBlock, chat.CallBlock, chat.RefusalBlock, chat.TextBlock, chat.ReasoningBlock, chat.CallBlock}[g.IntN(7)]
	block := &chat.Block{}
	var pieces []string
	if kind == chat.CallBlock {
		*block = chat.Block{ID: fmt.Sprintf("call_%d", g.blocks), Name: fmt.Sprintf("look_%d", g.IntN(3))}
		arguments, _ := json.Marshal(map[string]any{"at": words[g.IntN(len(words))], "n": g.IntN(10)})
		text := string(arguments)
		if cut {
			text = text[:len(`{"at"`)]
		}
		for len(text) > 0 {
			n := 1 + g.IntN(len(text))
			for n < len(text) && text[n]&0xc0 == 0x80 {
				n++
			}
			pieces, text = append(pieces, text[:n]), text[n:]
		}
	} else {
		for range g.IntN(4) {
			pieces = append(pieces, words[g.IntN(len(words))])
		}
	}
	open := chat.Event{Block: g.blocks, Kind: kind, Open: block}
	if len(pieces) > 0 && g.IntN(2) == 0 { // in one event with its first piece
		open.Text, pieces = pieces[0], pieces[1:]
	}
	g.events = append(g.events, open)
	for _, piece := range pieces {
		g.events = append(g.events, chat.Event{Block: g.blocks, Kind: kind, Text: piece})
	}
	last := &g.events[len(g.events)-1]
	if g.IntN(2) == 0 {
		g.events = append(g.events, chat.Event{Block: g.blocks, Kind: kind})
		last = &g.events[len(g.events)-1]
	}
	if last.Close = true; kind == chat.ReasoningBlock && g.IntN(2) == 0 {
		last.Seal = &chat.Seal{Data: "c2VhbA==", Maker: "another"}
	}
	g.blocks++
}

// seeds are how many answers are generated.
const seeds = 300

func testAnswers(t *testing.T, h Harness) {
	for seed := range uint64(seeds) {
		h.agree(t, Generate(seed))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// FuzzAnswers is the part of the suite about answers with seeds of the fuzzer's choice.
func FuzzAnswers(f *testing.F, h Harness) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		events := Generate(seed)
		h.agree(t, events)
		h.fail(t, seed)
	})
}

// agree writes an answer in both forms: a client understands the same.
func (h *Harness) agree(t *testing.T, events []chat.Event) {
	request := h.asked(t, true)
	wire := h.stream(t, request, dialect.Options{}, events, true)
	report(t, judged(h.Judge, grammar.Options{End: grammar.Complete, Usage: true}, wire), wire)
	streamed, err := h.ReadStream(wire)
	if err != nil {
		t.Errorf("%v\n%s", err, wire)
	}
	whole := h.API.Whole(h.asked(t, false), dialect.Options{})
	for _, event := range events {
		whole.Add(event)
	}
	body := whole.JSON()
	report(t, h.Judge.Answer(body, grammar.Options{}), body)
	said, err := h.ReadWhole(body)
	if err != nil {
		t.Errorf("%v\n%s", err, body)
	}
	if !reflect.DeepEqual(streamed, said) {
		t.Errorf("streamed %+v\nwhole %+v", streamed, said)
	}
	if said.Model != Model || said.ID != request.ID || said.Finish == "" {
		t.Errorf("an answer of %+v", said)
	}
	omitting := h.stream(t, request, dialect.Options{OmitFinish: true}, events, false)
	report(t, judged(h.Judge, grammar.Options{End: grammar.Complete, Usage: true, NoFinish: true}, omitting), omitting)
}

// stream is what a client is sent; silences: the upstream makes some, long ones.
func (h *Harness) stream(t testing.TB, request *chat.Request, options dialect.Options, events []chat.Event, silences bool) []byte {
	t.Helper()
	var sink Recorder
	stream := h.API.Stream(request, options, &sink)
	for i, event := range events {
		if err := stream.Event(event); err != nil {
			t.Fatal(err)
		}
		if !event.More && sink.held.Len() > 0 {
			t.Fatalf("event %d is held back: %q", i, sink.held.String())
		}
		if silences && i%7 == 3 {
			sink.Silence()
		}
	}
	if err := stream.Done(); err != nil {
		t.Fatal(err)
	}
	return sink.Close()
}

func judged(judge grammar.Judge, options grammar.Options, wire []byte) []grammar.Violation {
	stream := judge.Stream(options)
	_, _ = stream.Write(wire)
	return stream.End()
}

func testFailedStreams(t *testing.T, h Harness) {
	for seed := range uint64(seeds) {
		h.fail(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// fail breaks an answer off, somewhere before its finish: it never looks finished.
func (h *Harness) fail(t *testing.T, seed uint64) {
	events := Generate(seed)
	events = events[:slices.IndexFunc(events, func(event chat.Event) bool { return event.Finish != chat.Unfinished })]
	events = events[:seed%uint64(len(events)+1)]
	var sink Recorder
	stream := h.API.Stream(h.asked(t, true), dialect.Options{}, &sink)
	for _, event := range events {
		_ = stream.Event(event)
	}
	broken := chat.Errorf(chat.UpstreamProtocol, "the answer broke off")
	if breaker, own := stream.(dialect.Breaker); !own || !breaker.Break(broken, requestID, true) {
		last := h.API.Error(broken, requestID)
		_ = sink.Event(last.Event, last.JSON, false)
	}
	wire := sink.Close()
	report(t, judged(h.Judge, grammar.Options{End: grammar.Failed}, wire), wire)
}

// An upstream of the same dialect has said it as its clients want it.
func testNative(t *testing.T, h Harness) {
	request := h.asked(t, true)
	events := h.Native(request)
	wire := h.stream(t, request, dialect.Options{}, events, false)
	rest := wire
	for _, event := range events {
		if event.Raw.JSON == nil {
			continue
		}
		at := bytes.Index(rest, event.Raw.JSON)
		if at < 0 {
			t.Fatalf("%s is not in what is left of the stream\n%s", event.Raw.JSON, rest)
		}
		if between := string(rest[:at]); bytes.Contains(rest[:at], []byte("{")) {
			t.Errorf("between the events: %q", between)
		}
		rest = rest[at+len(event.Raw.JSON):]
	}
	report(t, judged(h.Judge, grammar.Options{End: grammar.Complete, Native: true, Usage: true}, wire), wire)
	whole := h.API.Whole(request, dialect.Options{})
	own := []byte(`{"id":"` + request.ID + `","model":"` + Model + `", "created" : 1700000000,"object":"chat.completion","younger":[1e400,{}]}`)
	whole.Add(chat.Event{
		Kind: chat.TextBlock, Open: &chat.Block{}, Text: "Hi", Close: true, Finish: chat.Stop,
		Raw: chat.Raw{Dialect: h.API.Name(), Whole: true, JSON: bytes.Clone(own)},
	})
	if got := whole.JSON(); !bytes.Equal(got, own) {
		t.Errorf("whole: %s\nwant %s", got, own)
	}
}

var errGone = errors.New("the client is gone")

func testSinks(t *testing.T, h Harness) {
	for seed := range uint64(20) {
		sink := Recorder{Err: errGone}
		stream := h.API.Stream(h.asked(t, true), dialect.Options{}, &sink)
		var err error
		for _, event := range Generate(seed) {
			if err = stream.Event(event); err != nil {
				break
			}
		}
		if err == nil {
			err = stream.Done()
		}
		if !errors.Is(err, errGone) {
			t.Errorf("seed %d: %v, want the sink's error", seed, err)
		}
	}
}
