package reqbody

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

// A large body is in a file, which takes no memory, has no name and ends with its
// request.
func TestSpool(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, spoolRoom - 1, spoolRoom, spoolRoom + 1, 3*spoolRoom + 7} {
		want := bytes.Repeat([]byte("\x00\xffx"), size/3+1)[:size]
		for _, way := range []struct {
			name              string
			announced, packed bool
		}{{"announced", true, false}, {"chunked", false, false}, {"packed", true, true}} {
			budget, folder := NewBudget(1<<30), t.TempDir()
			spooler := NewSpooler(folder, 1<<30)
			body := want
			if way.packed {
				body = gzipped(want)
			}
			w, r, release := arriving(t, body, way.announced, budget)
			if way.packed {
				r.Header.Set("Content-Encoding", "gzip")
			}
			got, err := spooler.Read(w, r, 4*spoolRoom)
			if err != nil || got.Size != int64(size) {
				t.Fatalf("%s, %d bytes: %v, %v", way.name, size, got, err)
			}
			data, err := io.ReadAll(io.NewSectionReader(got, 0, got.Size))
			if err != nil || !bytes.Equal(data, want) {
				t.Errorf("%s, %d bytes: %d, %v", way.name, size, len(data), err)
			}
			if used := budget.used.Load(); used > 2*growth*spoolRoom+2*firstRoom {
				t.Errorf("%s, %d bytes: %d count as memory", way.name, size, used)
			}
			if onDisk := spooler.disk.used.Load(); (onDisk > 0) != (size >= spoolRoom) || onDisk > int64(size) {
				t.Errorf("%s, %d bytes: %d count as disk", way.name, size, onDisk)
			}
			if err := got.Close(); err != nil {
				t.Error(err)
			}
			release()
			left, _ := filepath.Glob(folder + "/*")
			if used := budget.used.Load() + spooler.disk.used.Load(); used != 0 || len(left) > 0 {
				t.Errorf("%s, %d bytes: %d and %v are left", way.name, size, used, left)
			}
		}
	}
}

func TestSpoolRefuses(t *testing.T) {
	t.Parallel()
	gone := filepath.Join(t.TempDir(), "gone")
	for _, c := range []struct {
		name            string
		size            int
		announced, gzip bool
		folder          string
		disk            int64
		kind            chat.Kind
	}{
		{"larger than the limit", 4*spoolRoom + 1, true, false, "", 1 << 30, chat.PayloadTooLarge},
		{"larger, and not announced", 4*spoolRoom + 1, false, false, "", 1 << 30, chat.PayloadTooLarge},
		{"larger when it is unpacked", 4*spoolRoom + 1, true, true, "", 1 << 30, chat.PayloadTooLarge},
		{"no room on the disk", 3 * spoolRoom, true, false, "", 2 * spoolRoom, chat.Overloaded},
		{"no folder", 3 * spoolRoom, true, false, gone, 1 << 30, chat.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder := c.folder
			if folder == "" {
				folder = t.TempDir()
			}
			budget, spooler := NewBudget(1<<30), NewSpooler(folder, c.disk)
			body := make([]byte, c.size)
			if c.gzip {
				body = gzipped(body)
			}
			w, r, release := arriving(t, body, c.announced, budget)
			if c.gzip {
				r.Header.Set("Content-Encoding", "gzip")
			}
			_, err := spooler.Read(w, r, 4*spoolRoom)
			if failure := chat.AsError(err); failure == nil || failure.Kind != c.kind {
				t.Errorf("%v", err)
			}
			release()
			left, _ := os.ReadDir(folder)
			if used := budget.used.Load() + spooler.disk.used.Load(); used != 0 || len(left) > 0 {
				t.Errorf("%d and %v are left", used, left)
			}
		})
	}
}

// A body that breaks off leaves no file.
func TestSpoolOfABodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	spooler := NewSpooler(t.TempDir(), 1<<30)
	body := io.MultiReader(bytes.NewReader(make([]byte, 2*spoolRoom)), broken{})
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.ContentLength = -1
	w, release := Watch(httptest.NewRecorder(), r, 0, NewBudget(1<<30))
	defer release()
	_, err := spooler.Read(w, r, 4*spoolRoom)
	if failure := chat.AsError(err); failure == nil || failure.Kind != chat.InvalidRequest {
		t.Errorf("%v", err)
	}
	if used := spooler.disk.used.Load(); used != 0 {
		t.Errorf("%d bytes are left", used)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the line broke") }
