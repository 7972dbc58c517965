package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
)

// decode reads the body as one JSON object. A field that into does not have is
// an error, so that a misspelt one is not silently without effect.
func (a *API) decode(c *gin.Context, into any) error {
	body, err := a.body(c)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return worded(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return chat.Errorf(chat.InvalidRequest, "the request body goes on after its JSON object")
	}
	return nil
}

// fields reads the body as one JSON object whose members are read one by one:
// for a PATCH it matters which are there.
func (a *API) fields(c *gin.Context) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := a.decode(c, &fields); err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, chat.Errorf(chat.InvalidRequest, "the request body names no field to change")
	}
	return fields, nil
}

func (a *API) body(c *gin.Context) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, a.BodyLimit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		c.Header("Connection", "close") // the rest of the body is still to come
		return nil, chat.Errorf(chat.PayloadTooLarge, "the request body is larger than %d MiB", a.BodyLimit>>20)
	case err != nil:
		return nil, &chat.Error{Kind: chat.InvalidRequest, Message: "the request body is not readable", Err: err}
	case len(bytes.TrimSpace(body)) == 0:
		return nil, chat.Errorf(chat.InvalidRequest, "the request body is empty: it must be a JSON object")
	}
	return body, nil
}

// worded says what is wrong with a JSON text without Go's words.
func worded(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		if wrongType.Field == "" {
			return chat.Errorf(chat.InvalidRequest, "the request body must be a JSON object, not %s", article(wrongType.Value))
		}
		return invalid(wrongType.Field, "%s wanted, not %s", wanted(wrongType.Type.String()), article(wrongType.Value))
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		if plain, err := strconv.Unquote(name); err == nil {
			return invalid(plain, "there is no such field here")
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return chat.Errorf(chat.InvalidRequest, "the request body is not valid JSON: it ends early")
	}
	return chat.Errorf(chat.InvalidRequest, "the request body is not valid JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// wanted names what a Go type takes.
func wanted(goType string) string {
	switch strings.TrimPrefix(goType, "*") {
	case "bool":
		return "true or false"
	case "string":
		return "a string"
	case "uint32":
		return "a whole number from 0 to 4294967295"
	case "[]string":
		return "a list of strings"
	case "map[string]string":
		return "an object of strings"
	default:
		return "something else"
	}
}

func article(jsonType string) string {
	switch {
	case strings.HasPrefix(jsonType, "number "): // with the number
		return strings.TrimPrefix(jsonType, "number ")
	case jsonType == "bool":
		return "true or false"
	case slices.Contains([]string{"array", "object"}, jsonType):
		return "an " + jsonType
	default:
		return "a " + jsonType
	}
}

// member reads one member of a PATCH into a variable of its type.
func member[T any](name string, raw json.RawMessage, into *T) error {
	if string(raw) == "null" {
		return invalid(name, "%s wanted, not null", wanted(fmt.Sprintf("%T", *into)))
	}
	if err := json.Unmarshal(raw, into); err != nil {
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) {
			return invalid(name, "%s wanted, not %s", wanted(fmt.Sprintf("%T", *into)), article(wrongType.Value))
		}
		return worded(err)
	}
	return nil
}

// answer writes value as JSON.
func answer(c *gin.Context, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	write(c, status, "application/json", body)
	return nil
}

// writeTimeout is how long a client may refuse to read its answer.
const writeTimeout = 30 * time.Second

func write(c *gin.Context, status int, contentType string, body []byte) {
	header := c.Writer.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	// A writer without deadlines (a recorder) is no reason to fail.
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(writeTimeout))
	c.Status(status)
	_, _ = c.Writer.Write(body) // a client that has gone does not mind
}

// answerVersioned is answer for one object that has a version.
func answerVersioned(c *gin.Context, status int, value any, version uint64) error {
	c.Header("ETag", `"`+strconv.FormatUint(version, 10)+`"`)
	return answer(c, status, value)
}

// expectedVersion reads If-Match: a version, quoted as in an ETag or not. It is 0,
// which means no check, without the header and for `*`.
func expectedVersion(c *gin.Context) (uint64, error) {
	header := strings.TrimSpace(c.GetHeader("If-Match"))
	if header == "" || header == "*" {
		return 0, nil
	}
	version, err := strconv.ParseUint(strings.Trim(header, `"`), 10, 64)
	if err != nil || version == 0 {
		return 0, invalid("If-Match", "the object's version wanted, such as \"3\", not %s", header)
	}
	return version, nil
}

// timeOf is a time for JSON: null where it is unset.
func timeOf(at *timestamppb.Timestamp) *time.Time {
	if at == nil {
		return nil
	}
	t := at.AsTime()
	return &t
}

// textOrNull is null where the text is empty.
func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// emptyNotNull makes an absent list an empty one.
func emptyNotNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
