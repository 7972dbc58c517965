package dialecttest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

func testRequests(t *testing.T, h Harness) {
	for _, stream := range []bool{false, true} {
		in := h.incoming(h.Good(stream))
		kept := bytes.Clone(in.Body)
		r, err := h.API.Decode(in)
		if err != nil {
			t.Fatal(err)
		}
		if r.Model != Model || r.Stream != stream || !strings.Contains(r.ID, requestID) || !r.Created.Equal(received) || r.HistoryFault != nil {
			t.Errorf("decoded %+v", r)
		}
		if last := r.Messages[len(r.Messages)-1]; last.Role != chat.User || last.Text() != Question {
			t.Errorf("the message %+v", last)
		}
		if r.Source.Dialect != h.API.Name() || !bytes.Equal(r.Source.JSON, kept) || !bytes.Equal(in.Body, kept) {
			t.Errorf("the source %s: %s", r.Source.Dialect, r.Source.JSON)
		}
	}
	if counter, counts := h.API.(dialect.TokenCounter); counts {
		r, err := counter.DecodeCount(h.incoming(h.Good(false)))
		if err != nil || r.Model != Model || !bytes.Contains(counter.Count(1234), []byte("1234")) || !strings.HasPrefix(counter.CountPath(), "/v1/") {
			t.Errorf("a question for tokens: %+v, %v", r, err)
		}
	}
	if path := h.API.Path(); !strings.HasPrefix(path, "/v1/") {
		t.Errorf("the path %q", path)
	}
	if !slices.Contains(h.API.KeyHeaders(), "Authorization") {
		t.Errorf("keys in %q", h.API.KeyHeaders())
	}
}

func testFaults(t *testing.T, h Harness) {
	faults := map[string]Fault{
		"nothing": {}, "no JSON": {Body: "hello"}, "no object": {Body: "[]"}, "no UTF-8": {Body: strings.Replace(h.Good(false), Model, "m\xff", 1)},
		"more than one": {Body: h.Good(false) + "{}"}, "too deep": {Body: `{"x":` + strings.Repeat("[", 100_000)},
	}
	for name, fault := range h.Faults {
		faults[name] = fault
	}
	for name, fault := range faults {
		request, err := h.API.Decode(h.incoming(fault.Body))
		failure := h.typed(t, name, err)
		if request != nil || failure == nil || failure.Param != fault.Param {
			t.Errorf("%s: %v, %+v; want the field %q", name, request, failure, fault.Param)
		}
	}
	for name, fault := range h.HistoryFaults {
		request, err := h.API.Decode(h.incoming(fault.Body))
		if err != nil || request.HistoryFault == nil || request.HistoryFault.Param != fault.Param {
			t.Errorf("%s: %+v, %v; want a fault in the history at %q", name, request, err, fault.Param)
		}
	}
	good := h.Good(true)
	for end := range len(good) { // half a request is none
		if _, err := h.API.Decode(h.incoming(good[:end])); h.typed(t, good[:end], err) == nil {
			t.Errorf("%s: no error", good[:end])
		}
	}
}

// typed is an error as a dialect makes them: typed, and with words for the reader.
func (h *Harness) typed(t testing.TB, name string, err error) *chat.Error {
	t.Helper()
	var failure *chat.Error
	if err == nil {
		return nil
	}
	if !errors.As(err, &failure) || !slices.Contains(chat.Kinds(), failure.Kind) || failure.Message == "" || !utf8.ValidString(failure.Message) {
		t.Errorf("%s: the error %#v", name, err)
	}
	return failure
}

// FuzzDecode decodes whatever comes.
func FuzzDecode(f *testing.F, h Harness) {
	f.Add([]byte(h.Good(true)))
	for _, faults := range []map[string]Fault{h.Faults, h.HistoryFaults} {
		for _, fault := range faults {
			f.Add([]byte(fault.Body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		in := h.incoming(string(body))
		r, err := h.API.Decode(in)
		if err != nil {
			_ = h.typed(t, string(body), err)
			return
		}
		if r.Model == "" || !bytes.Equal(in.Body, body) || !bytes.HasSuffix(body, r.Source.JSON) {
			t.Errorf("%q: %+v", body, r)
		}
		for i := range r.Messages {
			for j := -1; j <= len(r.Messages[i].Parts); j++ {
				if r.Place(i, j) == "" {
					t.Errorf("%q: the place of %d.%d has no name", body, i, j)
				}
			}
		}
		for range r.Needs() { // looks into all parts
			continue
		}
	})
}
