// Package streamchat speaks dialect A of the Cursor RPC, aiserver.v1.AiService/StreamChat:
// one Connect request, answered by a stream of protobuf messages. Framing, compression and
// the end of the stream are connectrpc.com/connect's job; around it are here the mapping of a
// chat, the headers, the bounds and the timeouts.
package streamchat

import (
	"context"
	"iter"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/cursor/identity"
	"carousel.internal/gateway/internal/upstream/egress"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

const procedure = "/aiserver.v1.AiService/StreamChat"

// Client speaks the dialect to one upstream. It is safe for concurrent use.
type Client struct {
	client *connect.Client[aiserverv1.GetChatRequest, aiserverv1.StreamChatResponse]
	// firstByte bounds the time until the first event, idle the time between two.
	firstByte, idle time.Duration
	// now and newID are fixed in tests.
	now   func() time.Time
	newID func() string
}

// New makes a client of the API at base. firstByte bounds the time until the first event, idle
// the time between two.
func New(base string, transport http.RoundTripper, firstByte, idle time.Duration) *Client {
	// A redirect would carry the token elsewhere: it is an error.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client := &http.Client{Transport: dresser{transport}, CheckRedirect: stay}
	return &Client{
		client: connect.NewClient[aiserverv1.GetChatRequest, aiserverv1.StreamChatResponse](
			client, base+procedure,
			connect.WithReadMaxBytes(fault.MaxFrame),
			connect.WithAcceptCompression(gzipName, newDecompressor, newCompressor),
		),
		firstByte: firstByte,
		idle:      idle,
		now:       time.Now,
		newID:     identity.NewID,
	}
}

// Chat is as upstream.Driver has it.
func (c *Client) Chat(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		if failure := c.stream(egress.Through(ctx, call.Credential.Proxy), call, yield); failure != nil {
			yield(chat.Event{}, failure)
		}
	}
}

// Carries is as upstream.Carrier has it: the upstream is sent a conversation with images and
// nothing else.
func (c *Client) Carries(need chat.Need) bool { return need == chat.Pictures }

// Tunes is as upstream.Tuner has it.
func (c *Client) Tunes(string) bool { return false }
