package reqbody

import (
	"bytes"
	"io"
)

// maxEpilogue bounds what may be behind the end of a form, in bytes: mostly it is a line end.
const maxEpilogue = 1 << 10

// WholeForm tells whether a form with a boundary has the line that ends it. A multipart.Reader does
// not: it takes a form that was cut off behind a boundary's line for whole.
func WholeForm(body io.ReaderAt, size int64, boundary string) bool {
	end := []byte("--" + boundary + "--")
	from := max(size-int64(len(end))-maxEpilogue, 0)
	tail := make([]byte, size-from)
	if n, err := body.ReadAt(tail, from); n < len(tail) && err != nil {
		return false
	}
	return bytes.Contains(tail, end)
}
