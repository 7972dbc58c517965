package admincli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"carousel.internal/proto/service/secret"
)

const (
	// callTimeout bounds one call: an import of many thousand tokens is the longest, but for those
	// of backups.
	callTimeout = 2 * time.Minute
	// backupTimeout bounds a backup and a restore, which a gateway may work on for five minutes, and
	// the way of a large file.
	backupTimeout = 30 * time.Minute
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
		return nil, fmt.Errorf("the gateway's address must be like http://127.0.0.1:3000, not %q", withoutPassword(address))
	}
	return &client{base: base, key: key, http: &http.Client{
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
	return c.call(ctx, http.MethodGet, path, query, nil, nil)
}

// send sends body as JSON; none where it is nil.
func (c *client) send(ctx context.Context, method, path string, body any) ([]byte, error) {
	return c.sendIf(ctx, method, path, 0, body)
}

// sendIf is send for an object that must still have the version; 0: any.
func (c *client) sendIf(ctx context.Context, method, path string, version uint64, body any) ([]byte, error) {
	header := http.Header{}
	if version != 0 {
		header.Set("If-Match", strconv.Quote(strconv.FormatUint(version, 10)))
	}
	return c.sendWith(ctx, method, path, header, body)
}

// sendWith is send with a header.
func (c *client) sendWith(ctx context.Context, method, path string, header http.Header, body any) ([]byte, error) {
	if body == nil {
		return c.call(ctx, method, path, nil, header, nil)
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	header.Set("Content-Type", "application/json")
	return c.call(ctx, method, path, nil, header, encoded)
}

// upload sends a file as it is.
func (c *client) upload(ctx context.Context, path string, query url.Values, file []byte) ([]byte, error) {
	return c.call(ctx, http.MethodPost, path, query, http.Header{"Content-Type": {"application/octet-stream"}}, file)
}

// call sends one request. A path that begins with a slash is one of the gateway's, others are below
// /admin/api.
func (c *client) call(ctx context.Context, method, path string, query url.Values, header http.Header, body []byte) ([]byte, error) {
	answer, _, err := c.callWithin(ctx, callTimeout, method, path, query, header, body)
	return answer, err
}

// callWithin is call for one that may take as long as is said. It returns the answer's headers,
// too.
func (c *client) callWithin(
	ctx context.Context, timeout time.Duration, method, path string, query url.Values, header http.Header, body []byte,
) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if !strings.HasPrefix(path, "/") {
		path = "/admin/api/" + path
	}
	target := strings.TrimSuffix(c.base.String(), "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(request.Header, header)
	request.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	response, err := c.http.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("the gateway at %s does not answer: %w", c.base.Host, cause(err))
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("the answer of %s broke off: %w", c.base.Host, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, nil, refusal(response.StatusCode, answer)
	}
	return answer, response.Header, nil
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
		return into, unreadable(err)
	}
	return into, nil
}
