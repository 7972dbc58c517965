package reqbody

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"

	"carousel.internal/gateway/internal/chat"
)

// spoolRoom is how much of a spooled body is kept in memory, in bytes; a larger one is in
// a file.
const spoolRoom = 1 << 20

// Spooler reads large bodies, such as those of forms with files, into temporary files. It
// is safe for concurrent use.
type Spooler struct {
	folder string
	disk   *Budget
}

// NewSpooler makes a spooler whose files are in a folder, or where the system has its own
// if that is empty, and take so many bytes at most, all together.
func NewSpooler(folder string, bytes int64) *Spooler {
	return &Spooler{folder: folder, disk: NewBudget(bytes)}
}

// Spooled is a whole body. Its reader closes it when the request has been served.
type Spooled struct {
	io.ReaderAt
	Size int64

	file *os.File
	disk *Budget
}

// Close lets go of the body. A reader of it that is left, such as an upstream's
// transport, gets an error.
func (s *Spooled) Close() error {
	if s.file == nil {
		return nil
	}
	s.disk.give(s.Size)
	err := s.file.Close()
	_ = os.Remove(s.file.Name()) // where it could not be removed while it was open
	return err
}

// Read reads the whole body of a request, unpacked, as ReadAll does: at most limit bytes,
// before and after.
func (s *Spooler) Read(w http.ResponseWriter, r *http.Request, limit int64) (*Spooled, error) {
	return read(w, r, limit, s.collect)
}

// collect reads all of r. announced is the length that the client told; -1 where it told
// none.
func (s *Spooler) collect(r io.Reader, announced int64, guard *Guard) (*Spooled, error) {
	head, err := collect(io.LimitReader(r, spoolRoom), min(announced, spoolRoom), spoolRoom, guard)
	if err != nil {
		return nil, err
	}
	if len(head) < spoolRoom {
		return &Spooled{ReaderAt: bytes.NewReader(head), Size: int64(len(head))}, nil
	}
	file, err := os.CreateTemp(s.folder, "carousel-upload-*")
	if err != nil {
		return nil, noFile(err)
	}
	_ = os.Remove(file.Name()) // a process that is killed leaves nothing; elsewhere Close removes it
	spooled := &Spooled{ReaderAt: file, file: file, disk: s.disk}
	if err := spooled.fill(head, r); err != nil {
		return nil, errors.Join(err, spooled.Close())
	}
	return spooled, nil
}

func (s *Spooled) fill(head []byte, rest io.Reader) error {
	if _, err := s.Write(head); err != nil {
		return err
	}
	_, err := io.CopyBuffer(s, rest, head) // nobody needs the head any more
	return err
}

// Write implements io.Writer: what is written counts against the room that there is for
// files.
func (s *Spooled) Write(p []byte) (int, error) {
	if !s.disk.take(int64(len(p))) {
		err := chat.Errorf(chat.Overloaded, "this gateway has as many uploads in hand as it has room for; try again in a moment")
		err.RetryAfter = overloadPause
		return 0, err
	}
	s.Size += int64(len(p))
	n, err := s.file.Write(p)
	if err != nil {
		return n, noFile(err)
	}
	return n, nil
}

// noFile is the error of an upload that can't be kept.
func noFile(err error) *chat.Error {
	return &chat.Error{Kind: chat.Internal, Message: "this gateway can't keep uploads on its disk: its operator finds why in the log", Err: err}
}
