package reqbody

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

const mebibyte = 1 << 20

// arriving is a request as it comes from the network, with its length announced or not.
func arriving(t *testing.T, body []byte, announced bool, budget *Budget) (http.ResponseWriter, *http.Request, func()) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	if !announced {
		r.ContentLength = -1
	}
	w, release := Watch(httptest.NewRecorder(), r, 0, budget)
	return w, r, release
}

func gzipped(text []byte) []byte {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, _ = writer.Write(text)
	_ = writer.Close()
	return out.Bytes()
}

// Whatever way a body comes in, it is whole, and what it counts for is no more than about
// twice its size and is given back.
func TestReadAll(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, firstRoom - 1, firstRoom, firstRoom + 1, 4 * firstRoom, mebibyte, 3 * mebibyte} {
		want := bytes.Repeat([]byte("x"), size)
		for _, way := range []struct {
			name      string
			announced bool
			packed    bool
			most      int64
		}{
			{"announced", true, false, 2*int64(size) + 16},
			{"chunked", false, false, 2*growth*int64(size) + 2*firstRoom},
			{"packed", true, true, 2*growth*int64(size) + 2*firstRoom},
		} {
			budget := NewBudget(1 << 30)
			body := want
			if way.packed {
				body = gzipped(want)
			}
			w, r, release := arriving(t, body, way.announced, budget)
			if way.packed {
				r.Header.Set("Content-Encoding", "gzip")
			}
			got, err := ReadAll(w, r, 4*mebibyte)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s, %d bytes: %d, %v", way.name, size, len(got), err)
			}
			if used := budget.used.Load(); used < int64(size) || used > way.most {
				t.Errorf("%s, %d bytes: counted as %d", way.name, size, used)
			}
			if release(); budget.used.Load() != 0 {
				t.Errorf("%s, %d bytes: %d are never given back", way.name, size, budget.used.Load())
			}
		}
	}
}

// A body of the largest size has room in a budget that is made for it, whatever way it
// comes in, and no second one beside it.
func TestRoomForOneBody(t *testing.T) {
	t.Parallel()
	const limit = 8 * mebibyte
	want := make([]byte, limit)
	for name, way := range map[string]struct {
		body      []byte
		coding    string
		announced bool
	}{
		"announced": {want, "", true},
		"chunked":   {want, "", false},
		"zstd":      {zstandard(want, maxWindow), "zstd", true},
	} {
		budget := NewBudget(RoomFor(limit))
		w, r, release := arriving(t, way.body, way.announced, budget)
		r.Header.Set("Content-Encoding", way.coding)
		got, err := ReadAll(w, r, limit)
		if err != nil || len(got) != limit {
			t.Errorf("%s: %d, %v", name, len(got), err)
		}
		if used := budget.used.Load(); used < copies*limit || used > budget.limit {
			t.Errorf("%s: counted as %d", name, used)
		}
		w, second, releaseSecond := arriving(t, way.body, way.announced, budget)
		second.Header.Set("Content-Encoding", way.coding)
		if _, err := ReadAll(w, second, limit); kindOf(err) != chat.Overloaded {
			t.Errorf("%s, a second one: %v", name, err)
		}
		releaseSecond()
		release()
	}
}

// What is unpacked counts as it grows: a bomb ends when there is no room for it.
func TestABombEndsWithTheBudget(t *testing.T) {
	t.Parallel()
	budget := NewBudget(8 * mebibyte)
	budget.take(2 * mebibyte) // another request's
	w, r, release := arriving(t, gzipped(make([]byte, 8*mebibyte)), true, budget)
	defer release()
	r.Header.Set("Content-Encoding", "gzip")
	_, err := ReadAll(w, r, 128*mebibyte)
	if failure := chat.AsError(err); failure == nil || failure.Kind != chat.Overloaded || failure.RetryAfter <= 0 {
		t.Errorf("%v", err)
	}
	if used := budget.used.Load(); used > 8*mebibyte {
		t.Errorf("%d bytes were counted", used)
	}
}

// What a body grows by counts as the body does, and no longer than its request lasts.
func TestABodyThatGrows(t *testing.T) {
	t.Parallel()
	budget := NewBudget(8 * mebibyte)
	w, r, release := arriving(t, make([]byte, mebibyte), true, budget)
	if _, err := ReadAll(w, r, 2*mebibyte); err != nil {
		t.Fatal(err)
	}
	before := budget.used.Load()
	if err := Grow(r, mebibyte); err != nil || budget.used.Load() != before+copies*mebibyte {
		t.Errorf("%v, counted %d after %d", err, budget.used.Load(), before)
	}
	if err := Grow(r, -1); err != nil || budget.used.Load() != before+copies*mebibyte {
		t.Errorf("%v, counted %d for less", err, budget.used.Load())
	}
	if err := Grow(r, 3*mebibyte); err == nil || chat.AsError(err).Kind != chat.Overloaded {
		t.Errorf("%v", err)
	}
	if release(); budget.used.Load() != 0 {
		t.Errorf("%d bytes are never given back", budget.used.Load())
	}
}

// Who can never find room is not told to try again.
func TestWhatIsLargerThanTheBudgetIsTooLarge(t *testing.T) {
	t.Parallel()
	for _, announced := range []bool{true, false} {
		budget := NewBudget(2 * mebibyte)
		w, r, release := arriving(t, make([]byte, 8*mebibyte), announced, budget)
		_, err := ReadAll(w, r, 128*mebibyte)
		if failure := chat.AsError(err); failure.Kind != chat.PayloadTooLarge || failure.RetryAfter != 0 {
			t.Errorf("%v", err)
		}
		if release(); budget.used.Load() != 0 {
			t.Errorf("%d bytes are never given back", budget.used.Load())
		}
	}
}

// A body that is only announced counts for next to nothing.
func TestAnnouncedIsNotHeld(t *testing.T) {
	t.Parallel()
	budget := NewBudget(mebibyte)
	reader, writer := io.Pipe()
	r := httptest.NewRequest(http.MethodPost, "/", reader)
	r.ContentLength = 100 * mebibyte
	w, release := Watch(httptest.NewRecorder(), r, 0, budget)
	defer release()
	done := make(chan error)
	go func() {
		_, err := ReadAll(w, r, 128*mebibyte)
		done <- err
	}()
	_, _ = io.WriteString(writer, strings.Repeat("x", 1000))
	if used := budget.used.Load(); used > copies*firstRoom {
		t.Errorf("%d bytes are counted", used)
	}
	_ = writer.CloseWithError(io.ErrUnexpectedEOF)
	if err := chat.AsError(<-done); err.Kind != chat.InvalidRequest {
		t.Error(err)
	}
}

// A limit is told in a unit in which it is something.
func TestALimitIsTold(t *testing.T) {
	t.Parallel()
	for limit, says := range map[int64]string{256 << 10: "larger than 256 KiB", mebibyte: "larger than 1 MiB", 32 * mebibyte: "larger than 32 MiB"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
		r.ContentLength = limit + 1
		_, err := ReadAll(httptest.NewRecorder(), r, limit)
		if failure := chat.AsError(err); failure == nil || failure.Kind != chat.PayloadTooLarge || !strings.HasSuffix(failure.Message, says) {
			t.Errorf("%d bytes: %v", limit, err)
		}
	}
}
