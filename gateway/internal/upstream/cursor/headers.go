package cursor

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/cursor/checksum"
)

// What the client says of itself where no setting does.
const (
	userAgent            = "connect-es/1.6.1"
	defaultClientVersion = "0.42.5"
	defaultTimezone      = "UTC"
)

// setHeaders writes the request's own headers. Those of the Connect protocol are
// added by connect, the User-Agent by dresser.
func setHeaders(header http.Header, call *upstream.Call, requestID string, now time.Time) *upstream.Failure {
	credential := call.Credential
	token := credential.Secret.Reveal()
	if token == "" || strings.ContainsFunc(token, notInHeader) {
		return &upstream.Failure{Class: upstream.Auth, Message: "the token is empty or holds characters that no header can carry"}
	}
	if credential.DeviceID == "" {
		return &upstream.Failure{Class: upstream.Auth, Message: "the token has no checksum material"}
	}
	material := checksum.Material{DeviceID: credential.DeviceID, MACHash: credential.MACHash}
	header.Set("Authorization", "Bearer "+token)
	header.Set("X-Cursor-Checksum", material.At(now))
	header.Set("X-Client-Key", clientKey(material))
	header.Set("X-Cursor-Client-Version", orElse(call.Options.ClientVersion, defaultClientVersion))
	header.Set("X-Cursor-Timezone", orElse(call.Options.Timezone, defaultTimezone))
	header.Set("X-Ghost-Mode", "true")
	header.Set("X-Request-Id", requestID)
	header.Set("X-Amzn-Trace-Id", "Root="+requestID)
	return nil
}

// clientKey is 64 hex digits that stay the same for a device.
func clientKey(material checksum.Material) string {
	sum := sha256.Sum256([]byte("client key of " + material.DeviceID + "/" + material.MACHash))
	return hex.EncodeToString(sum[:])
}

func notInHeader(r rune) bool { return r <= ' ' || r > '~' }

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// newUUID makes a random UUID, version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[:8], b[:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
