package redisstore

import (
	"crypto/rand"
	"strings"
)

// newID makes a random id: a letter for what it is of, and 80 bits in base32.
func newID(of string) string { return of + strings.ToLower(rand.Text()[:16]) }
