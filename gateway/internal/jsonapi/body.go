package jsonapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/reqbody"
)

// Body reads the whole body, at most limit bytes of it. It may be empty.
func Body(c *gin.Context, limit int64) ([]byte, error) {
	body, err := reqbody.ReadAll(c.Writer, c.Request, limit)
	switch {
	case err != nil:
		return nil, err
	case !utf8.Valid(body): // the decoder would replace what is wrong, and nobody would know
		return nil, chat.Errorf(chat.InvalidRequest, "the request body is not valid UTF-8")
	case halfCharacter(body):
		return nil, chat.Errorf(chat.InvalidRequest, `the request body has half of a character: \ud800 to \udfff come in pairs`)
	}
	return body, nil
}

// halfCharacter finds an escape that is one half of a surrogate pair without the
// other, which the decoder would replace, too.
func halfCharacter(body []byte) bool {
	for i := 0; i+1 < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		first := escaped(body[i:])
		if utf16.IsSurrogate(first) {
			if utf16.DecodeRune(first, escaped(body[i+escapeLen:])) == unicode.ReplacementChar {
				return true
			}
			i += escapeLen
		}
		i++ // what was escaped may be a backslash
	}
	return false
}

const escapeLen = len(`\ud800`)

// escaped reads an escape at the beginning of text; -1 where there is none.
func escaped(text []byte) rune {
	if len(text) < escapeLen || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(text[2:escapeLen]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}

// Decode reads the body as one JSON object. A field that into does not have is
// an error, so that a misspelt one is not silently without effect.
func Decode(c *gin.Context, limit int64, into any) error {
	body, err := Body(c, limit)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return chat.Errorf(chat.InvalidRequest, "the request body is empty: it must be a JSON object")
	}
	return Unmarshal(body, into)
}

// Unmarshal is Decode for a body that has been read.
func Unmarshal(body []byte, into any) error {
	if bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
		return chat.Errorf(chat.InvalidRequest, "the request body must be a JSON object, not null")
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

// Fields reads the body as one JSON object whose members are read one by one:
// for a change it matters which are there.
func Fields(c *gin.Context, limit int64) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := Decode(c, limit, &fields); err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, chat.Errorf(chat.InvalidRequest, "the request body names no field to change")
	}
	return fields, nil
}

// Member reads one member of Fields into a variable of its type.
func Member[T any](name string, raw json.RawMessage, into *T) error {
	if string(raw) == "null" {
		return Invalid(name, "%s wanted, not null", wanted(reflect.TypeFor[T]()))
	}
	if err := json.Unmarshal(raw, into); err != nil {
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) {
			return Invalid(name, "%s wanted, not %s", wanted(reflect.TypeFor[T]()), article(wrongType.Value))
		}
		return worded(err)
	}
	return nil
}

// worded says what is wrong with a JSON text without Go's words.
func worded(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		if wrongType.Field == "" {
			return chat.Errorf(chat.InvalidRequest, "the request body must be a JSON object, not %s", article(wrongType.Value))
		}
		return Invalid(wrongType.Field, "%s wanted, not %s", wanted(wrongType.Type), article(wrongType.Value))
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		if plain, err := strconv.Unquote(name); err == nil {
			return Invalid(plain, "there is no such field here")
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return chat.Errorf(chat.InvalidRequest, "the request body is not valid JSON: it ends early")
	}
	return chat.Errorf(chat.InvalidRequest, "the request body is not valid JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// wanted names what a Go type takes.
func wanted(goType reflect.Type) string {
	switch goType.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Uint32:
		return "a whole number from 0 to 4294967295"
	case reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Slice:
		if goType.Elem().Kind() != reflect.String {
			return "a list"
		}
		return "a list of strings"
	case reflect.Map:
		if goType.Elem().Kind() != reflect.String {
			return "an object"
		}
		return "an object of strings"
	case reflect.Struct:
		return "an object"
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
