package streamchat

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/identity"
	"carousel.internal/proto/cursor/checksum"
)

// What the client says of itself where no setting does.
const (
	defaultClientVersion = "0.42.5"
	defaultTimezone      = "UTC"
)

// Dress writes the headers of a request that is no stream, for the same identity as Chat's.
func (c *Client) Dress(header http.Header, call *upstream.Call) *upstream.Failure {
	return setHeaders(header, call, c.newID(), c.now())
}

// setHeaders writes the request's own headers. Those of the Connect protocol are
// added by connect, the User-Agent by dresser.
func setHeaders(header http.Header, call *upstream.Call, requestID string, now time.Time) *upstream.Failure {
	credential := call.Credential
	bearer, failure := identity.Bearer(credential)
	if failure != nil {
		return failure
	}
	if credential.DeviceID == "" {
		return &upstream.Failure{Class: upstream.Auth, Message: "the token has no checksum material"}
	}
	material := checksum.Material{DeviceID: credential.DeviceID, MACHash: credential.MACHash}
	header.Set("Authorization", bearer)
	header.Set("X-Cursor-Checksum", material.At(now))
	header.Set("X-Client-Key", clientKey(material))
	header.Set("X-Cursor-Client-Version", cmp.Or(call.Options.ClientVersion, defaultClientVersion))
	header.Set("X-Cursor-Timezone", cmp.Or(call.Options.Timezone, defaultTimezone))
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
