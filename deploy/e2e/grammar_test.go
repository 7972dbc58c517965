package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	anthropicstream "github.com/anthropics/anthropic-sdk-go/v2/packages/ssestream"
	"github.com/openai/openai-go/v3"
	openaistream "github.com/openai/openai-go/v3/packages/ssestream"

	"carousel.internal/gateway/grammar"
)

// The official clients are judges as well: what the judges of grammar let pass they
// understand as it was meant, and whatever they refuse the judges refuse too.
func TestJudgesAgreeWithOfficialSDKs(t *testing.T) {
	t.Parallel()
	for name, api := range map[string]struct {
		judge    grammar.Judge
		generate func(*rand.Rand) (frames, meaning []string)
		read     func(stream string) (meaning []string, err error)
	}{
		"messages":  {grammar.Messages, messagesFrames, readMessages},
		"chat":      {grammar.Chat, chatFrames, readChat},
		"responses": {grammar.Responses, responsesFrames, readResponses},
	} {
		refused := 0
		for seed := range uint64(300) {
			random := rand.New(rand.NewPCG(seed, 1))
			frames, meaning := api.generate(random)
			stream := strings.Join(frames, "")
			if found := violations(api.judge, stream); len(found) > 0 {
				t.Fatalf("%s, seed %d: %v in\n%s", name, seed, found, stream)
			}
			got, err := api.read(stream)
			if err != nil || !slices.Equal(got, meaning) {
				t.Fatalf("%s, seed %d: the client reads %q, %v; want %q in\n%s", name, seed, got, err, meaning, stream)
			}
			broken := strings.Join(disturbed(random, frames), "")
			if _, err := api.read(broken); err != nil {
				refused++
				if len(violations(api.judge, broken)) == 0 {
					t.Errorf("%s, seed %d: the client says %v, and the judge nothing, of\n%s", name, seed, err, broken)
				}
			}
		}
		t.Logf("%s: the client refuses %d of 300", name, refused)
		if refused == 0 {
			t.Errorf("%s: the client refuses nothing", name)
		}
	}
}

// No test reads answers past the judges.
func TestEveryClientIsJudged(t *testing.T) {
	t.Parallel()
	unjudged := regexp.MustCompile(`http\.(DefaultClient|DefaultTransport|Client\{|Get\(|Post\()`)
	read := 0
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "../cases/*_test.go", "../faults/*_test.go", "../local/*/*_test.go", "stack/load.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Errorf("%s: no file is there", pattern)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			read++
			for line := range strings.Lines(string(source)) {
				if unjudged.MatchString(line) && !strings.Contains(line, "Judged(") && !strings.Contains(line, "MustCompile") {
					t.Errorf("%s: %s: use stack.Client or stack.Judged", file, strings.TrimSpace(line))
				}
			}
		}
	}
	if read < 20 {
		t.Errorf("%d files read", read)
	}
}

func violations(judge grammar.Judge, stream string) []grammar.Violation {
	s := judge.Stream(grammar.Options{End: grammar.Complete, Usage: true})
	_, _ = io.WriteString(s, stream)
	return s.End()
}

// disturbed loses, repeats, exchanges or garbles a frame.
func disturbed(random *rand.Rand, frames []string) []string {
	at := random.IntN(len(frames) - 1)
	frames = slices.Clone(frames)
	switch random.IntN(4) {
	case 0:
		return slices.Delete(frames, at, at+1)
	case 1:
		return slices.Insert(frames, at, frames[at])
	case 2:
		frames[at], frames[at+1] = frames[at+1], frames[at]
	case 3:
		for _, garbled := range [][2]string{{`"index":`, `"index":1`}, {`"id":"c`, `"id":"d`}, {`"content":"`, `"content":1"`}, {"}\n\n", "\n\n"}} {
			if strings.Contains(frames[at], garbled[0]) {
				frames[at] = strings.Replace(frames[at], garbled[0], garbled[1], 1)
				break
			}
		}
	}
	return frames
}

// pieces cuts a text.
func pieces(random *rand.Rand, text string) []string {
	var cut []string
	runes := []rune(text)
	for len(runes) > 0 {
		n := 1 + random.IntN(len(runes))
		cut, runes = append(cut, string(runes[:n])), runes[n:]
	}
	return cut
}

func quoted(text string) string {
	encoded, _ := json.Marshal(text) // strings can be encoded
	return string(encoded)
}

// words are texts of all kinds of characters.
var words = []string{"Hello", "Grüße, 世界! 👩‍👩‍👧", "data: x\n\n[DONE]", "\"\\\u2028\x00", " "}

// messagesFrames is a good stream of the Messages API, and what it means block by block.
func messagesFrames(random *rand.Rand) (frames, meaning []string) {
	add := func(kind, format string, values ...any) {
		frames = append(frames, "event: "+kind+"\ndata: {\"type\":\""+kind+"\""+fmt.Sprintf(format, values...)+"}\n\n")
	}
	add("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,`+
		`"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":1,"output_tokens":0}}`)
	reason := "end_turn"
	for index := range random.IntN(5) {
		var start, delta, text string
		switch random.IntN(3) {
		case 0:
			start, delta, text = `{"type":"text","text":""}`, `{"type":"text_delta","text":%s}`, words[random.IntN(len(words))]
			meaning = append(meaning, "text "+text)
		case 1:
			start, delta, text = `{"type":"thinking","thinking":"","signature":""}`, `{"type":"thinking_delta","thinking":%s}`, words[random.IntN(len(words))]
			meaning = append(meaning, "thinking "+text)
		case 2:
			reason = "tool_use"
			start = fmt.Sprintf(`{"type":"tool_use","id":"toolu_%d","name":"f","input":{}}`, index)
			delta, text = `{"type":"input_json_delta","partial_json":%s}`, `{"a":`+quoted(words[random.IntN(len(words))])+`}`
			meaning = append(meaning, "tool_use "+text)
		}
		add("content_block_start", `,"index":%d,"content_block":%s`, index, start)
		for _, piece := range pieces(random, text) {
			add("content_block_delta", `,"index":%d,"delta":`+delta, index, quoted(piece))
			if random.IntN(4) == 0 {
				add("ping", "")
			}
		}
		add("content_block_stop", `,"index":%d`, index)
	}
	add("message_delta", `,"delta":{"stop_reason":%q,"stop_sequence":null},"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":1,"output_tokens":7}`, reason)
	add("message_stop", "")
	return frames, append(meaning, reason+" 5 7")
}

func readMessages(stream string) (meaning []string, err error) {
	events := anthropicstream.NewStream[anthropic.MessageStreamEventUnion](anthropicstream.NewDecoder(response(stream)), nil)
	var message anthropic.Message
	for events.Next() {
		if err := message.Accumulate(events.Current()); err != nil {
			return nil, err
		}
	}
	for _, block := range message.Content {
		switch block := block.AsAny().(type) {
		case anthropic.TextBlock:
			meaning = append(meaning, "text "+block.Text)
		case anthropic.ThinkingBlock:
			meaning = append(meaning, "thinking "+block.Thinking)
		case anthropic.ToolUseBlock:
			meaning = append(meaning, "tool_use "+string(block.Input))
		}
	}
	return append(meaning, fmt.Sprintf("%s %d %d", message.StopReason, message.Usage.InputTokens, message.Usage.OutputTokens)), events.Err()
}

// chatFrames is a good stream of the Chat Completions API, and what it means: its text,
// its calls, its end.
func chatFrames(random *rand.Rand) (frames, meaning []string) {
	const head = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","choices":[`
	add := func(delta, finish string) {
		frames = append(frames, head+`{"index":0,"delta":`+delta+`,"finish_reason":`+finish+`}],"usage":null}`+"\n\n")
	}
	add(`{"role":"assistant","content":""}`, "null")
	text := ""
	for range random.IntN(3) {
		word := words[random.IntN(len(words))]
		for _, piece := range pieces(random, word) {
			add(`{"content":`+quoted(piece)+`}`, "null")
		}
		text += word
	}
	meaning = []string{text}
	finish := "stop"
	var later []string // pieces of calls, which may mix
	for index := range random.IntN(3) {
		finish = "tool_calls"
		arguments := `{"a":` + quoted(words[random.IntN(len(words))]) + `}`
		meaning = append(meaning, arguments)
		add(fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":"call_%d","type":"function","function":{"name":"f","arguments":""}}]}`, index, index), "null")
		at := 0
		for _, piece := range pieces(random, arguments) {
			at += random.IntN(len(later) - at + 1)
			later = slices.Insert(later, at, fmt.Sprintf(`{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}`, index, quoted(piece)))
			at++
		}
	}
	for _, delta := range later {
		add(delta, "null")
	}
	add("{}", quoted(finish))
	frames = append(frames, head+`],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}`+"\n\n", "data: [DONE]\n\n")
	return frames, append(meaning, finish+" 5 7")
}

func readChat(stream string) (meaning []string, err error) {
	chunks := openaistream.NewStream[openai.ChatCompletionChunk](openaistream.NewDecoder(response(stream)), nil)
	var answer openai.ChatCompletionAccumulator
	for chunks.Next() {
		if !answer.AddChunk(chunks.Current()) {
			return nil, errors.New("the client does not take " + chunks.Current().RawJSON())
		}
	}
	if chunks.Err() != nil || len(answer.Choices) == 0 {
		return nil, errors.Join(chunks.Err(), errors.New("no answer"))
	}
	choice := answer.Choices[0]
	meaning = []string{choice.Message.Content}
	for _, call := range choice.Message.ToolCalls {
		meaning = append(meaning, call.Function.Arguments)
	}
	return append(meaning, fmt.Sprintf("%s %d %d", choice.FinishReason, answer.Usage.PromptTokens, answer.Usage.CompletionTokens)), nil
}

func response(stream string) *http.Response {
	return &http.Response{Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(strings.NewReader(stream))}
}
