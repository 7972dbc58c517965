package upstreamsim

import "strings"

// Why an answer ends.
const (
	endTurn         = "end_turn"
	outputLimit     = "max_tokens"
	stopSequence    = "stop_sequence"
	toolUse         = "tool_use"
	pauseTurn       = "pause_turn"
	refusedByModel  = "refusal"
	windowFull      = "model_context_window_exceeded"
	refusalCategory = `{"type":"refusal","category":"general_harms","explanation":null}`
)

// answer is what a message holds, before it is written as events or as one object.
// A piece of a text is an output token.
type answer struct {
	blocks   []answerBlock
	stop     string
	sequence string // the stop sequence that was met
	details  string // stop_details as JSON, where there are any
}

// answerBlock is one block of an answer.
type answerBlock struct {
	kind     string
	pieces   []string // of the text, the thinking or the input's JSON
	seal     string   // the signature, or what is redacted
	id, name string   // of a call
	hidden   int      // tokens that are not shown
	whole    string   // the block as JSON, where it has no deltas
}

func said(pieces []string) answerBlock { return answerBlock{kind: "text", pieces: pieces} }

func (b *answerBlock) tokens() int { return len(b.pieces) + b.hidden }

func (b *answerBlock) thinks() bool { return b.kind == "thinking" || b.kind == "redacted_thinking" }

// tokens are those of the answer, and of them those of its thinking.
func (a *answer) tokens() (all, thinking int) {
	for i := range a.blocks {
		count := a.blocks[i].tokens()
		all += count
		if a.blocks[i].thinks() {
			thinking += count
		}
	}
	return all, thinking
}

// stopAt ends the answer's text before the first stop sequence in it.
func (a *answer) stopAt(sequences []string) {
	for i := range a.blocks {
		block := &a.blocks[i]
		if block.kind != "text" {
			continue
		}
		text := strings.Join(block.pieces, "")
		end := len(text)
		for _, sequence := range sequences {
			if at := strings.Index(text, sequence); at >= 0 && at < end {
				end, a.sequence = at, sequence
			}
		}
		if end < len(text) {
			block.pieces = firstBytes(block.pieces, end)
			a.blocks = a.blocks[:i+1]
			a.stop = stopSequence
			return
		}
	}
}

// limit ends the answer after so many tokens. A call that is cut stays cut.
func (a *answer) limit(tokens int) {
	for i := range a.blocks {
		block := &a.blocks[i]
		if count := block.tokens(); count <= tokens {
			tokens -= count
			continue
		}
		a.stop, a.sequence, a.details = outputLimit, "", ""
		if tokens == 0 {
			a.blocks = a.blocks[:i]
			return
		}
		block.pieces = block.pieces[:min(tokens, len(block.pieces))]
		block.hidden = tokens - len(block.pieces)
		a.blocks = a.blocks[:i+1]
		return
	}
}
