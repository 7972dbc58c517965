package cursor

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/upstreamtest"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	upstreamtest.Run(t, upstreamtest.Harness{
		New: func(baseURL string, settings map[string]string) (upstream.Driver, error) {
			return New(upstream.Config{Name: "test", Driver: Name, BaseURL: baseURL, Settings: settings})
		},
		Wire: upstreamtest.Wire{
			Header: http.Header{"Content-Type": {frameType}},
			Text:   textFrame,
			End:    endFrame(`{}`),
			Silent: frame(0, nil),
			Fail: func(class upstream.Class, message string) upstreamtest.Answer {
				body := trailerFor(class, message)
				if body == "" {
					return upstreamtest.Answer{}
				}
				return upstreamtest.Answer{
					Status: http.StatusOK, Header: http.Header{"Content-Type": {frameType}}, Body: endFrame(body),
				}
			},
			FailLate: func(class upstream.Class, message string) []byte {
				body := trailerFor(class, message)
				if body == "" {
					return nil
				}
				return endFrame(body)
			},
		},
	})
}

// trailerFor is an error of the class; empty where the upstream has none.
func trailerFor(class upstream.Class, message string) string {
	numbers := map[upstream.Class]aiserverv1.ErrorDetails_Error{
		upstream.CallerFault:     aiserverv1.ErrorDetails_ERROR_BAD_REQUEST,
		upstream.Auth:            aiserverv1.ErrorDetails_ERROR_NOT_LOGGED_IN,
		upstream.ModelNotAllowed: aiserverv1.ErrorDetails_ERROR_PRO_USER_ONLY,
		upstream.ModelUnknown:    aiserverv1.ErrorDetails_ERROR_BAD_MODEL_NAME,
		upstream.Quota:           aiserverv1.ErrorDetails_ERROR_PRO_USER_USAGE_LIMIT,
		upstream.RateLimit:       aiserverv1.ErrorDetails_ERROR_GENERIC_RATE_LIMIT_EXCEEDED,
		upstream.TooLarge:        aiserverv1.ErrorDetails_ERROR_CONVERSATION_TOO_LONG,
		upstream.OutdatedClient:  aiserverv1.ErrorDetails_ERROR_OUTDATED_CLIENT,
		upstream.Broken:          aiserverv1.ErrorDetails_ERROR_OPENAI,
	}
	number, known := numbers[class]
	if !known {
		return ""
	}
	return trailer("internal", number, "Refused", message)
}

// trailer is the end frame's JSON of an error.
func trailer(code string, number aiserverv1.ErrorDetails_Error, title, detail string) string {
	value, err := proto.Marshal(&aiserverv1.ErrorDetails{
		Error: number, Details: &aiserverv1.CustomErrorDetails{Title: title, Detail: detail},
	})
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(map[string]any{"error": map[string]any{
		"code": code, "message": "Error",
		"details": []map[string]any{{"type": "aiserver.v1.ErrorDetails", "value": base64.RawStdEncoding.EncodeToString(value)}},
	}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// frame is one envelope, made by hand.
func frame(flags byte, payload []byte) []byte {
	head := make([]byte, headLen, headLen+len(payload))
	head[0] = flags
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload)))
	return append(head, payload...)
}

// textFrame is a message of text alone, made by hand.
func textFrame(text string) []byte {
	payload := binary.AppendUvarint([]byte{textTag}, uint64(len(text)))
	return frame(0, append(payload, text...))
}

func endFrame(json string) []byte { return frame(flagEnd, []byte(json)) }
