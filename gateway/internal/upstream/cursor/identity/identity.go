// Package identity is how the driver's requests say who asks, as far as every protocol of
// Cursor has it alike.
package identity

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"carousel.internal/gateway/internal/upstream"
)

// UserAgent is the library that the upstream's own clients are made with.
const UserAgent = "connect-es/1.6.1"

// Bearer is the value of Authorization.
func Bearer(credential upstream.Credential) (string, *upstream.Failure) {
	token := credential.Secret.Reveal()
	if token == "" || strings.ContainsFunc(token, notInHeader) {
		return "", &upstream.Failure{Class: upstream.Auth, Message: "the token is empty or holds characters that no header can carry"}
	}
	return "Bearer " + token, nil
}

func notInHeader(r rune) bool { return r <= ' ' || r > '~' }

// NewID makes a random UUID, version 4.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return IDOf(b)
}

// IDOf makes a UUID, in the form of a random one, of bytes that look random.
func IDOf(b [16]byte) string {
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
