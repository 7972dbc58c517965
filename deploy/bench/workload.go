package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"carousel.internal/deploy/upstreamsim"
)

const (
	// plainModel is none that another upstream lists; the simulator takes any.
	plainModel  = "bench-echo"
	streamModel = "sim-count-50"
	events      = 50
	streamEnd   = "data: [DONE]\n\n"
)

// What the plain workload asks, and the simulator echoes: a short chat.
const (
	instructions = "You are a helpful assistant. Answer in one short paragraph, in the language of the question."
	question     = "Our team has four replicas of a service behind a load balancer, and one of them is slower than the others. " +
		"Which three measurements would you look at first, and what would each of them tell you?"
)

// workload is what is asked of every system.
type workload struct {
	stream      bool
	connections int
}

func (w workload) String() string {
	kind := "plain"
	if w.stream {
		kind = "stream"
	}
	return kind + "-" + strconv.Itoa(w.connections)
}

// title is String for readers.
func (w workload) title() string {
	kind := "Not streamed"
	if w.stream {
		kind = fmt.Sprintf("Streams of %d events", events)
	}
	if w.connections == 1 {
		return kind + ", 1 connection"
	}
	return fmt.Sprintf("%s, %d connections", kind, w.connections)
}

var workloads = []workload{
	{connections: 1},
	{connections: 16},
	{connections: 64},
	{stream: true, connections: 16},
	{stream: true, connections: 64},
}

// request renders the request for a system, head and body.
func (w workload) request(addr, key string) []byte {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	ask := struct {
		Model       string    `json:"model"`
		Messages    []message `json:"messages"`
		Temperature float64   `json:"temperature"`
		Stream      bool      `json:"stream"`
	}{plainModel, []message{{"system", instructions}, {"user", question}}, 0.7, w.stream}
	if w.stream {
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

// verify looks at a whole body.
func (w workload) verify(body []byte) error {
	if w.stream {
		return verifyStream(body)
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

func verifyStream(body []byte) error {
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
	if pieces != events || text.String() != upstreamsim.CountText(events) {
		return fmt.Errorf("%d pieces of text: %.300q", pieces, text.String())
	}
	return nil
}
