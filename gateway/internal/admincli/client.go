package admincli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"carousel.internal/proto/service/secret"
)

const (
	// callTimeout bounds one call: an import of many thousand tokens is the longest.
	callTimeout = 2 * time.Minute
	// maxAnswer bounds what is read of an answer, in bytes: an export.
	maxAnswer = 256 << 20
)

// client calls the admin API.
type client struct {
	base *url.URL
	key  secret.Value
	http *http.Client
}

func newClient(address string, key secret.Value) (*client, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("the gateway's address must be like http://127.0.0.1:3000, not %q", address)
	}
	return &client{base: base, key: key, http: &http.Client{
		Timeout: callTimeout,
		// The key is for the gateway alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// path joins segments below /admin/api, each escaped.
func path(segments ...string) string {
	escaped := make([]string, len(segments))
	for i, segment := range segments {
		escaped[i] = url.PathEscape(segment)
	}
	return strings.Join(escaped, "/")
}

func (c *client) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	return c.call(ctx, http.MethodGet, path, query, nil)
}

// send sends body as JSON; none where it is nil.
func (c *client) send(ctx context.Context, method, path string, body any) ([]byte, error) {
	var encoded []byte
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	return c.call(ctx, method, path, nil, encoded)
}

func (c *client) call(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	target := strings.TrimSuffix(c.base.String(), "/") + "/admin/api/" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the gateway at %s does not answer: %w", c.base.Host, cause(err))
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer of %s broke off: %w", c.base.Host, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, refusal(response.StatusCode, answer)
	}
	return answer, nil
}

// cause leaves the URL out, which the sentence around it names.
func cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// apiError is what the API refused, in its own words.
type apiError struct {
	status  int
	message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%s (%d)", e.message, e.status) }

func refusal(status int, answer []byte) error {
	var body struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &body); err != nil || body.Error.Message == "" {
		return &apiError{status, "the answer is not one of a Carousel gateway"}
	}
	return &apiError{status, body.Error.Message}
}

func notFound(err error) bool {
	var refused *apiError
	return errors.As(err, &refused) && refused.status == http.StatusNotFound
}

// read decodes an answer.
func read[T any](answer []byte, err error) (T, error) {
	var into T
	if err != nil {
		return into, err
	}
	if err := json.Unmarshal(answer, &into); err != nil {
		return into, fmt.Errorf("the gateway's answer can't be read: %w", err)
	}
	return into, nil
}
