package streamchat

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"google.golang.org/protobuf/proto"

	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

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
