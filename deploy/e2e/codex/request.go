package codex

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/klauspost/compress/zstd"
)

// instructions are a session's.
const instructions = "You are Codex, a coding agent in a terminal. Read before you write."

// Sent is a request that has gone out.
type Sent struct {
	Body []byte
	// Status is the answer's; 0: there was none.
	Status int
	// Method is GET where a WebSocket is asked for, else POST.
	Method string
}

// requestBody is the body of a request. The order is Codex's.
type requestBody struct {
	Model             string            `json:"model"`
	Instructions      string            `json:"instructions,omitempty"`
	Input             []json.RawMessage `json:"input"`
	Tools             []any             `json:"tools"`
	ToolChoice        string            `json:"tool_choice"`
	ParallelToolCalls bool              `json:"parallel_tool_calls"`
	Reasoning         *reasoningWish    `json:"reasoning"`
	Store             bool              `json:"store"`
	Stream            bool              `json:"stream"`
	Include           []string          `json:"include"`
	PromptCacheKey    string            `json:"prompt_cache_key"`
	Text              any               `json:"text,omitempty"`
	ClientMetadata    map[string]string `json:"client_metadata"`
}

type reasoningWish struct {
	Effort  string `json:"effort,omitempty"`
	Summary string `json:"summary,omitempty"`
}

func (s *Session) body(input []json.RawMessage, schema any) ([]byte, error) {
	body := requestBody{
		Model: s.Model, Instructions: instructions, Input: input, Tools: Tools(), ToolChoice: "auto", ParallelToolCalls: true, Stream: true,
		Include: []string{"reasoning.encrypted_content"}, PromptCacheKey: s.Thread,
		ClientMetadata: map[string]string{"x-codex-installation-id": "install-1", "session_id": s.Thread, "thread_id": s.Thread, "turn_id": "turn-1"},
	}
	if s.Effort != "" {
		body.Reasoning = &reasoningWish{Effort: s.Effort, Summary: "auto"}
	}
	if schema != nil {
		body.Text = map[string]any{"format": map[string]any{"type": "json_schema", "name": "codex_output_schema", "strict": true, "schema": schema}}
	}
	return json.Marshal(body)
}

// request is a request of a session; agent names what the request is for besides turns, as
// "compact".
func (s *Session) request(ctx context.Context, body []byte, agent string) (*http.Request, error) {
	packed := body
	if s.Packed {
		encoder, err := zstd.NewWriter(nil)
		if err != nil {
			return nil, err
		}
		packed = encoder.EncodeAll(body, nil)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/responses", bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	s.headers(request.Header, agent)
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Content-Type", "application/json")
	if s.Packed {
		request.Header.Set("Content-Encoding", "zstd")
	}
	return request, nil
}

func (s *Session) headers(header http.Header, agent string) {
	for name, value := range map[string]string{
		"Authorization": "Bearer " + s.Key, "originator": "codex_cli_rs", "version": "0.147.0",
		"User-Agent": "codex_cli_rs/0.147.0 (Debian 13.0.0; x86_64) xterm-256color", "session-id": s.Thread, "thread-id": s.Thread,
		"x-client-request-id": s.Thread, "x-codex-window-id": s.Thread + ":0", "x-codex-turn-metadata": `{"turn_id":"turn-1"}`,
		"x-openai-subagent": agent, "x-codex-turn-state": s.turnState,
	} {
		if value != "" {
			header.Set(name, value)
		}
	}
}

// send sends a body once.
func (s *Session) send(ctx context.Context, body []byte, agent string) (*http.Response, error) {
	request, err := s.request(ctx, body, agent)
	if err != nil {
		return nil, err
	}
	response, err := s.HTTP.Do(request)
	sent := Sent{Body: body, Method: http.MethodPost}
	if err == nil {
		sent.Status = response.StatusCode
	}
	s.Sent = append(s.Sent, sent)
	return response, err
}

// maxRefusal bounds what is read of an answer that is no stream.
const maxRefusal = 1 << 20

// once sends a request until there is a stream, with the retries that a request has, and reads
// it.
func (s *Session) once(ctx context.Context, body []byte, agent string) (*Answer, error) {
	for try := 0; ; try++ {
		response, err := s.send(ctx, body, agent)
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = response.Body.Close()
			}
			return nil, ctx.Err()
		case err == nil && response.StatusCode == http.StatusOK:
			if state := response.Header.Get("x-codex-turn-state"); state != "" {
				s.turnState = state
			}
			return Read(ctx, response.Body, s.Retries.Idle)
		case err == nil:
			text, _ := io.ReadAll(io.LimitReader(response.Body, maxRefusal)) // what has come of it is shown
			_ = response.Body.Close()
			if response.StatusCode < 500 || try == s.Retries.Request {
				return nil, refused(response.StatusCode, text)
			}
		case try == s.Retries.Request:
			return nil, broken("%v", err)
		}
		if err := sleep(ctx, s.Retries.backoff(try)); err != nil {
			return nil, err
		}
	}
}

// ask sends input until it is answered, with the retries that a turn has.
func (s *Session) ask(ctx context.Context, input []json.RawMessage, schema any, agent string) (*Answer, error) {
	body, err := s.body(input, schema)
	if err != nil {
		return nil, err
	}
	if err := s.upgrade(ctx); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		answer, err := s.once(ctx, body, agent)
		if answer != nil {
			s.Answers = append(s.Answers, answer)
		}
		if err == nil {
			return answer, nil
		}
		s.Failures = append(s.Failures, err)
		failure, told := errors.AsType[*Failure](err)
		if !told || failure.Remedy == Final || try == s.Retries.Stream {
			return nil, err
		}
		wait := failure.Wait
		if wait == 0 {
			wait = s.Retries.backoff(try)
		}
		s.Waits = append(s.Waits, wait)
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// toldError is the error that a body tells of, if it does.
func toldError(body []byte) (told struct{ Code, Type, Message string }) {
	var object struct {
		Error struct {
			Code    *string `json:"code"`
			Type    *string `json:"type"`
			Message *string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &object) == nil {
		told.Code, told.Type, told.Message = given(object.Error.Code), given(object.Error.Type), given(object.Error.Message)
	}
	return told
}
