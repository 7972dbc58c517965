package logentry

import (
	"encoding/json"
	"io"
)

// Lines writes entries as JSON, each on a line of its own.
type Lines struct {
	json *json.Encoder
	err  error
}

// NewLines begins such a file.
func NewLines(w io.Writer) *Lines { return &Lines{json: json.NewEncoder(w)} }

// Add adds an entry.
func (l *Lines) Add(e Entry) {
	if l.err == nil {
		l.err = l.json.Encode(e)
	}
}

// Close tells what went wrong.
func (l *Lines) Close() error { return l.err }
