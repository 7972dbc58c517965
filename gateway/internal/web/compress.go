package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// leastCompressed is the size in bytes below which compressing a text is not worth it.
const leastCompressed = 1024

// compressed is the text in gzip.
func compressed(text []byte) []byte {
	var out bytes.Buffer
	to := gzip.NewWriter(&out)
	_, _ = to.Write(text) // a buffer takes all
	_ = to.Close()
	return out.Bytes()
}

// takesGzip tells whether a client can read it.
func takesGzip(r *http.Request) bool {
	for entry := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(entry), ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			return !slices.Contains([]string{"q=0", "q=0.0"}, strings.ReplaceAll(weight, " ", ""))
		}
	}
	return false
}

// pollHeader is on what the pages' own scripts ask for again and again.
const pollHeader = "X-Carousel-Poll"

// fromThisSite tells whether one of our own pages has asked: no other site can send
// either header. Only such answers are compressed. Of a page that an attacker may ask
// for, with words of their choice in its address, the compressed length would tell how
// these are like what is secret in it.
func fromThisSite(r *http.Request) bool {
	return r.Header.Get(pollHeader) != "" || r.Header.Get("Sec-Fetch-Site") == "same-origin"
}

// etagOf names a text by its content.
func etagOf(text []byte) string {
	sum := sha256.Sum256(text)
	return `W/"` + hex.EncodeToString(sum[:12]) + `"`
}

// unchanged tells whether the client has this text.
func unchanged(r *http.Request, etag string) bool {
	for each := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimSpace(each) == etag {
			return true
		}
	}
	return false
}
