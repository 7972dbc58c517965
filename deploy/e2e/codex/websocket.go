package codex

import (
	"context"
	"fmt"
	"net/http"
)

// upgrade asks for a WebSocket, once a session, where the provider is said to have it. 426 tells
// that it has none: the client goes on over HTTP at once. Anything else is asked again as often as
// a stream is.
func (s *Session) upgrade(ctx context.Context) error {
	if !s.WebSockets || s.overHTTP {
		return nil
	}
	for try := 0; ; try++ {
		status, err := s.askUpgrade(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case status == http.StatusSwitchingProtocols:
			return fmt.Errorf("the answer is a WebSocket, which this client does not speak (%w)", err)
		case status == http.StatusUpgradeRequired || try == s.Retries.Stream:
			s.overHTTP = true
			return nil
		}
		if err := sleep(ctx, s.Retries.backoff(try)); err != nil {
			return err
		}
	}
}

// askUpgrade answers the status of the attempt; 0: there is none.
func (s *Session) askUpgrade(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/responses", nil)
	if err != nil {
		return 0, err
	}
	s.headers(request.Header, "")
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits", "OpenAI-Beta": "responses_websockets=2026-02-06",
	} {
		request.Header.Set(name, value)
	}
	response, err := s.HTTP.Do(request)
	sent := Sent{Method: http.MethodGet}
	if err == nil {
		sent.Status = response.StatusCode
		_ = response.Body.Close()
	}
	s.Sent = append(s.Sent, sent)
	return sent.Status, err
}
