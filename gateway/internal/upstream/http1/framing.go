package http1

import (
	"net/http"
	"strconv"
	"strings"
)

// framing tells where a body ends.
type framing int

const (
	noBody framing = iota
	ofLength
	inChunks
	untilClose
)

var (
	errLength   = malformed("its length is no number, or is told more than once")
	errEncoding = malformed("its transfer encoding is not known, or is told beside a length")
	errTrailer  = malformed("it announces a trailer that would change where it ends")
)

var chunkedEncoding = []string{"chunked"}

// frame finds out where the body of a response ends, and sets what depends on that. A response
// that says it twice is an error: two readers could see two different bodies.
func frame(response *http.Response, method string) (framing, error) {
	header := response.Header
	response.Close = closes(response)
	length, err := contentLength(header["Content-Length"])
	if err != nil {
		return noBody, err
	}
	encodings, chunked := header["Transfer-Encoding"]
	if chunked {
		if !isChunked(encodings) || length >= 0 || response.ProtoMinor == 0 {
			return noBody, errEncoding
		}
		delete(header, "Transfer-Encoding")
		response.TransferEncoding = chunkedEncoding
		if response.Trailer, err = announced(header); err != nil {
			return noBody, err
		}
	}
	response.ContentLength = length
	status := response.StatusCode
	switch {
	case method == http.MethodHead:
		return noBody, nil
	case status/100 == 1, status == http.StatusNoContent, status == http.StatusNotModified:
		response.ContentLength = 0
		return noBody, nil
	case chunked:
		return inChunks, nil
	case length == 0:
		return noBody, nil
	case length > 0:
		return ofLength, nil
	}
	response.Close = true
	return untilClose, nil
}

// closes tells whether the connection ends with the response.
func closes(response *http.Response) bool {
	values := response.Header["Connection"]
	if response.ProtoMinor == 0 {
		return hasToken(values, "close") || !hasToken(values, "keep-alive")
	}
	if !hasToken(values, "close") {
		return false
	}
	delete(response.Header, "Connection")
	return true
}

// contentLength reads the announced length, -1 where there is none.
func contentLength(values []string) (int64, error) {
	switch len(values) {
	case 0:
		return -1, nil
	case 1:
		length, err := strconv.ParseUint(values[0], 10, 63)
		if err != nil {
			return 0, errLength
		}
		return int64(length), nil
	}
	return 0, errLength
}

// announced takes the names of trailers, whose values come behind the body; nil: there are none.
func announced(header http.Header) (http.Header, error) {
	values, has := header["Trailer"]
	if !has {
		return nil, nil
	}
	delete(header, "Trailer")
	trailer := http.Header{}
	for name := range strings.SplitSeq(strings.Join(values, ","), ",") {
		switch name = http.CanonicalHeaderKey(strings.TrimSpace(name)); {
		case name == "":
		case isFraming(name):
			return nil, errTrailer
		default:
			trailer[name] = nil
		}
	}
	if len(trailer) == 0 {
		return nil, nil
	}
	return trailer, nil
}
