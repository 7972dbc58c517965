package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"carousel.internal/deploy/upstreamsim"
)

const (
	// plainModel is none that another upstream lists; the simulator takes any.
	plainModel  = "bench-echo"
	streamModel = "sim-count-50"
	streamEnd   = "data: [DONE]\n\n"
	// slowModel's answers have an event every slowInterval, and so take two seconds.
	slowModel    = "sim-count-41"
	slowInterval = 50 * time.Millisecond
	slowLength   = (slowEvents - 1) * slowInterval
	// The events of a stream.
	events     = 50
	slowEvents = 41
	// nativeModel and nativeStreamModel are served by the upstream that speaks Messages,
	// where Carousel answers; the simulator does the same for both names.
	nativeModel       = "claude-bench"
	nativeStreamModel = "claude-bench-sim-count-50"
	// messagesEnd is how a stream of Messages ends, as far as is remembered of it.
	messagesEnd = `ssage_stop"}` + "\n\n"
)

// api is what is spoken: by the load generator, and by the upstream.
type api string

// The APIs. Translated is Messages over an upstream that speaks Chat; all other systems pass
// Messages on to one that speaks it.
const (
	chatAPI    api = ""
	messages   api = "messages"
	translated api = "translated"
)

// What the plain workload asks, and the simulator echoes: a short chat.
const (
	instructions = "You are a helpful assistant. Answer in one short paragraph, in the language of the question."
	question     = "Our team has four replicas of a service behind a load balancer, and one of them is slower than the others. " +
		"Which three measurements would you look at first, and what would each of them tell you?"
)

// workload is what is asked of every system.
type workload struct {
	api         api
	stream      bool
	connections int
	// rate is how many requests start in a second, at fixed times; 0: a request follows
	// the answer of the one before.
	rate int
	// slow: the upstream takes its time over a stream.
	slow bool
}

// lead is how long an open loop goes on before it is measured: until as many streams run
// as there are to be.
func (w workload) lead() time.Duration {
	if w.slow {
		return slowLength
	}
	return 0
}

// window is how long a cell takes where one of a closed loop takes that long: an open loop
// has fewer requests in it.
func (w workload) window(closed time.Duration) time.Duration {
	switch {
	case w.slow:
		return 2 * closed
	case w.rate > 0:
		return 5 * closed / 2
	}
	return closed
}

// events of each answer; 0 where it is no stream.
func (w workload) events() int {
	switch {
	case w.slow:
		return slowEvents
	case w.stream:
		return events
	}
	return 0
}

// atOnce is how many slow streams run at a time.
func (w workload) atOnce() int { return w.rate * int(slowLength/time.Second) }

func (w workload) String() string {
	switch {
	case w.slow:
		return "slow-" + strconv.Itoa(w.atOnce())
	case w.rate > 0:
		return "open-" + strconv.Itoa(w.rate)
	}
	kind := "plain"
	if w.stream {
		kind = "stream"
	}
	if w.api != chatAPI {
		kind = string(w.api) + "-" + kind
	}
	return kind + "-" + strconv.Itoa(w.connections)
}

// titles are the APIs for readers.
var titles = map[api]string{messages: "Messages, native. ", translated: "Messages over a Chat upstream. "}

// title is String for readers.
func (w workload) title() string {
	switch {
	case w.slow:
		return fmt.Sprintf("%d slow streams (an event every %d ms)", w.atOnce(), slowInterval.Milliseconds())
	case w.rate > 0:
		return fmt.Sprintf("Not streamed, %d requests/s, open loop", w.rate)
	}
	kind := "Not streamed"
	if w.stream {
		kind = fmt.Sprintf("Streams of %d events", events)
	}
	kind = titles[w.api] + kind
	if w.connections == 1 {
		return kind + ", 1 connection"
	}
	return fmt.Sprintf("%s, %d connections", kind, w.connections)
}

// The open loops. More connections are opened where these do not suffice.
var (
	// people ask at the rate of a large team.
	people = workload{rate: 300, connections: 64}
	// slowStreams are those of 500 people who read along.
	slowStreams = workload{stream: true, slow: true, rate: 250, connections: 512}
)

// The closed loops over the Chat API.
var (
	alone       = workload{connections: 1}
	atLoad      = workload{connections: 16}
	crowded     = workload{connections: 64}
	streamed    = workload{stream: true, connections: 16}
	manyStreams = workload{stream: true, connections: 64}
)

var (
	chatWorkloads = []workload{alone, atLoad, crowded, streamed, manyStreams, people, slowStreams}
	workloads     = slices.Concat(chatWorkloads, []workload{
		{api: messages, connections: 16},
		{api: messages, stream: true, connections: 16},
		{api: translated, connections: 16},
		{api: translated, stream: true, connections: 16},
	})
)

// end is how a stream ends, as far as is remembered of it.
func (w workload) end() string {
	if w.api == chatAPI {
		return streamEnd
	}
	return messagesEnd
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// request renders the request for a system, head and body.
func (w workload) request(addr, key string) []byte {
	if w.api != chatAPI {
		return w.messagesRequest(addr, key)
	}
	ask := struct {
		Model       string    `json:"model"`
		Messages    []message `json:"messages"`
		Temperature float64   `json:"temperature"`
		Stream      bool      `json:"stream"`
	}{plainModel, []message{{"system", instructions}, {"user", question}}, 0.7, w.stream}
	switch {
	case w.slow:
		ask.Model = slowModel
	case w.stream:
		ask.Model = streamModel
	}
	body, err := json.Marshal(ask)
	if err != nil {
		panic(err) // strings, a number and a bool
	}
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nAccept: */*\r\nUser-Agent: carousel-bench\r\nContent-Length: %d\r\n\r\n%s",
		addr, key, len(body), body)
}

func (w workload) messagesRequest(addr, key string) []byte {
	ask := struct {
		Model     string    `json:"model"`
		MaxTokens int       `json:"max_tokens"`
		System    string    `json:"system"`
		Messages  []message `json:"messages"`
		Stream    bool      `json:"stream"`
	}{w.messagesModel(), 1000, instructions, []message{{"user", question}}, w.stream}
	body, err := json.Marshal(ask)
	if err != nil {
		panic(err) // strings, a number and a bool
	}
	return fmt.Appendf(nil, "POST /v1/messages HTTP/1.1\r\nHost: %s\r\nX-Api-Key: %s\r\nAnthropic-Version: 2023-06-01\r\n"+
		"Content-Type: application/json\r\nAccept: */*\r\nUser-Agent: carousel-bench\r\nContent-Length: %d\r\n\r\n%s",
		addr, key, len(body), body)
}

// messagesModel is the model by whose name Carousel finds the upstream.
func (w workload) messagesModel() string {
	switch {
	case w.api == messages && w.stream:
		return nativeStreamModel
	case w.api == messages:
		return nativeModel
	case w.stream:
		return streamModel
	}
	return plainModel
}

// verify looks at a whole body.
func (w workload) verify(body []byte) error {
	if w.api != chatAPI {
		return w.verifyMessages(body)
	}
	if w.stream {
		return verifyStream(body, w.events())
	}
	var object struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
			FinishReason string `json:"finish_reason"`
		} `json:"choices"`
		Usage struct {
			TotalTokens int `json:"total_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(body, &object); err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	if len(object.Choices) != 1 || object.Choices[0].Message.Content != question ||
		object.Choices[0].FinishReason != "stop" || object.Usage.TotalTokens == 0 {
		return fmt.Errorf("not the answer that was expected: %.300s", body)
	}
	return nil
}

// verifyMessages looks at an answer of the Messages API.
func (w workload) verifyMessages(body []byte) error {
	if w.stream {
		return verifyMessagesStream(body)
	}
	var object struct {
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
		StopReason string `json:"stop_reason"`
		Usage      struct {
			OutputTokens int `json:"output_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(body, &object); err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	if len(object.Content) != 1 || object.Content[0].Text != question || object.StopReason != "end_turn" || object.Usage.OutputTokens == 0 {
		return fmt.Errorf("not the answer that was expected: %.300s", body)
	}
	return nil
}

func verifyMessagesStream(body []byte) error {
	if !bytes.HasSuffix(body, []byte(messagesEnd)) {
		return fmt.Errorf("the stream ends in %q", body[max(len(body)-40, 0):])
	}
	var text strings.Builder
	pieces := 0
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		data, found := bytes.CutPrefix(line, []byte("data: "))
		if !found {
			continue
		}
		var event struct {
			Delta struct {
				Text string `json:"text"`
			} `json:"delta"`
		}
		if err := json.Unmarshal(data, &event); err != nil {
			return fmt.Errorf("an event is not JSON: %w", err)
		}
		if event.Delta.Text != "" {
			pieces++
			text.WriteString(event.Delta.Text)
		}
	}
	if pieces != events || text.String() != upstreamsim.CountText(events) {
		return fmt.Errorf("%d pieces of text: %.300q", pieces, text.String())
	}
	return nil
}

func verifyStream(body []byte, wanted int) error {
	if !bytes.HasSuffix(body, []byte(streamEnd)) {
		return fmt.Errorf("the stream ends in %q", body[max(len(body)-40, 0):])
	}
	var text strings.Builder
	pieces := 0
	for event := range bytes.SplitSeq(bytes.TrimSuffix(body, []byte(streamEnd)), []byte("\n\n")) {
		if len(event) == 0 {
			continue
		}
		data, found := bytes.CutPrefix(event, []byte("data: "))
		if !found {
			return fmt.Errorf("an event without data: %.100q", event)
		}
		var chunk struct {
			Choices []struct {
				Delta struct {
					Content string `json:"content"`
				} `json:"delta"`
			} `json:"choices"`
		}
		if err := json.Unmarshal(data, &chunk); err != nil {
			return fmt.Errorf("a chunk is not JSON: %w", err)
		}
		if len(chunk.Choices) > 0 && chunk.Choices[0].Delta.Content != "" {
			pieces++
			text.WriteString(chunk.Choices[0].Delta.Content)
		}
	}
	if pieces != wanted || text.String() != upstreamsim.CountText(wanted) {
		return fmt.Errorf("%d pieces of text: %.300q", pieces, text.String())
	}
	return nil
}
