package upstreamsim

import (
	"strconv"
	"time"
)

const (
	// ModelSuffix is what the OpenAI side appends to the model id that was asked for,
	// as upstreams answer with a dated id.
	ModelSuffix = "-2026-01-01"
	fingerprint = "fp_sim0000001"
)

// chunkFormat writes the events and the object of one completion. What is the same
// in every event is rendered once.
type chunkFormat struct {
	id      string
	created int64
	model   string // quoted
	// field and newline are how an event is written: "data: " and "\n", usually.
	field, newline string
	before         string // lines before every event
	usageNull      bool   // every chunk has "usage":null
	prefix         string // of every chunk, up to the delta
}

func newChunkFormat(number uint64, now time.Time, request *completionRequest) chunkFormat {
	f := chunkFormat{
		id: "chatcmpl-sim" + sixteenDigits(number), created: now.Unix(),
		model: quoted(request.Model + ModelSuffix),
		field: "data: ", newline: "\n",
		usageNull: request.wantsUsage(),
	}
	if request.Stream {
		f.render()
	}
	return f
}

// sixteenDigits is a number in hex.
func sixteenDigits(number uint64) string {
	digits := strconv.FormatUint(number, 16)
	return "0000000000000000"[len(digits):] + digits
}

// render follows a change of the fields.
func (f *chunkFormat) render() { f.prefix = f.head() + `"choices":[{"index":0,"delta":` }

// head is an event up to the choices.
func (f *chunkFormat) head() string {
	return f.before + f.field + `{"id":"` + f.id + `","object":"chat.completion.chunk","created":` +
		strconv.FormatInt(f.created, 10) + `,"model":` + f.model + `,"system_fingerprint":"` + fingerprint + `",`
}

// choice appends an event of a choice; delta is JSON, and so is usage where there is one.
func (f *chunkFormat) choice(to []byte, index int, delta, finish, usage string) []byte {
	to = f.upToDelta(to, index)
	to = append(to, delta...)
	return f.rest(to, finish, usage)
}

// upToDelta appends the beginning of an event.
func (f *chunkFormat) upToDelta(to []byte, index int) []byte {
	if index == 0 {
		return append(to, f.prefix...)
	}
	to = append(to, f.head()...)
	to = append(to, `"choices":[{"index":`...)
	to = strconv.AppendInt(to, int64(index), 10)
	return append(to, `,"delta":`...)
}

// text appends an event with a piece of text under a name.
func (f *chunkFormat) text(to []byte, index int, name, piece string) []byte {
	to = f.upToDelta(to, index)
	to = append(to, `{"`...)
	to = append(to, name...)
	to = append(to, `":`...)
	to = appendQuoted(to, piece)
	to = append(to, '}')
	return f.rest(to, "", "")
}

// rest appends what comes after a delta.
func (f *chunkFormat) rest(to []byte, finish, usage string) []byte {
	if finish == "" {
		to = append(to, `,"logprobs":null,"finish_reason":null}]`...)
	} else {
		to = append(to, `,"logprobs":null,"finish_reason":"`...)
		to = append(to, finish...)
		to = append(to, `"}]`...)
	}
	switch {
	case usage != "":
		to = append(to, `,"usage":`...)
		to = append(to, usage...)
	case f.usageNull:
		to = append(to, `,"usage":null`...)
	}
	to = append(to, '}')
	return f.endEvent(to)
}

// usageOnly is the chunk without a choice that include_usage asks for.
func (f *chunkFormat) usageOnly(usage string) []byte {
	return f.endEvent([]byte(f.head() + `"choices":[],"usage":` + usage + `}`))
}

// data is an event of any text.
func (f *chunkFormat) data(text string) []byte {
	return f.endEvent([]byte(f.before + f.field + text))
}

func (f *chunkFormat) endEvent(to []byte) []byte {
	to = append(to, f.newline...)
	return append(to, f.newline...)
}

// openObject is the answer without a stream, up to its choices.
func (f *chunkFormat) openObject() []byte {
	const usualSize = 1 << 10
	to := append(make([]byte, 0, usualSize), `{"id":"`...)
	to = append(to, f.id...)
	to = append(to, `","object":"chat.completion","created":`...)
	to = strconv.AppendInt(to, f.created, 10)
	to = append(to, `,"model":`...)
	to = append(to, f.model...)
	return append(to, `,"choices":[`...)
}

// openChoice is a choice up to its message.
func (f *chunkFormat) openChoice(to []byte, index int) []byte {
	to = append(to, `{"index":`...)
	to = strconv.AppendInt(to, int64(index), 10)
	return append(to, `,"message":`...)
}

func (f *chunkFormat) closeChoice(to []byte, finish string) []byte {
	to = append(to, `,"logprobs":null,"finish_reason":"`...)
	to = append(to, finish...)
	return append(to, `"}`...)
}

// closeObject leaves the usage out where there is none.
func (f *chunkFormat) closeObject(to []byte, usage string) []byte {
	to = append(to, `],`...)
	if usage != "" {
		to = append(to, `"usage":`...)
		to = append(to, usage...)
		to = append(to, ',')
	}
	return append(to, `"service_tier":"default","system_fingerprint":"`+fingerprint+`"}`...)
}

// usageCounts is a usage: cached is part of prompt, reasoning of completion.
type usageCounts struct{ prompt, completion, cached, reasoning int }

func (u usageCounts) json() string {
	return `{"prompt_tokens":` + strconv.Itoa(u.prompt) + `,"completion_tokens":` + strconv.Itoa(u.completion) +
		`,"total_tokens":` + strconv.Itoa(u.prompt+u.completion) +
		`,"prompt_tokens_details":{"cached_tokens":` + strconv.Itoa(u.cached) +
		`,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":` + strconv.Itoa(u.reasoning) + `,"audio_tokens":0}}`
}

// appendQuoted appends a JSON string.
func appendQuoted(to []byte, text string) []byte {
	return append(appendEscaped(append(to, '"'), text), '"')
}

func quoted(text string) string { return string(appendQuoted(nil, text)) }

// appendEscaped appends the inside of a JSON string. The text is valid UTF-8, since
// it was decoded from JSON; nothing is escaped that need not be.
func appendEscaped(to []byte, text string) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		to = append(to, text[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			to = append(to, '\\', c)
		case '\n':
			to = append(to, '\\', 'n')
		case '\r':
			to = append(to, '\\', 'r')
		case '\t':
			to = append(to, '\\', 't')
		default:
			to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(to, text[start:]...)
}
