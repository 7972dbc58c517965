// Package spool keeps numbered records in files until they are done with, so that
// they survive the end of the process that wrote them, however it ends. It knows
// nothing of what is in them.
package spool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	// segmentBytes is how large a file grows before the next one begins.
	segmentBytes = 4 << 20
	// headerBytes come before each record: its number, its length, its checksum.
	headerBytes = 16
	// maxRecord bounds a record, in bytes: what is longer is damage.
	maxRecord = 16 << 20
	suffix    = ".records"
)

// ErrFull is why a record is not kept: the spool has its size.
var ErrFull = errors.New("the spool is full")

// Record is one of the spool's.
type Record struct {
	Number uint64
	Data   []byte
}

// Spool is the records of one owner, in a folder of its own. It is not safe for
// concurrent use.
type Spool struct {
	// Owner is the name that it was made under.
	Owner  string
	folder string
	lock   *os.File
	limit  int64
	// segments are the files, oldest first; the last one is written to.
	segments []*segment
	file     *os.File
	last     uint64
}

type segment struct {
	path        string
	first, last uint64
	bytes       int64
	count       int
}

// unnamedPrefix is what the names of folders begin with that are no spools yet.
const unnamedPrefix = "."

// Create makes the spool of an owner in the folder, of limit bytes at most. Owners
// have names that no other has ever had.
func Create(folder, owner string, limit int64) (*Spool, error) {
	own := filepath.Join(folder, owner)
	// Without its lock it would be a leftover: it gets its name when it has it.
	unnamed := filepath.Join(folder, unnamedPrefix+owner)
	if err := os.MkdirAll(unnamed, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	lock, err := lockFolder(unnamed)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := os.Rename(unnamed, own); err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %w", err), lock.Close())
	}
	return &Spool{Owner: owner, folder: own, lock: lock, limit: limit}, nil
}

// Leftovers takes over the spools in the folder whose owners have ended.
func Leftovers(folder string) ([]*Spool, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var found []*Spool
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), unnamedPrefix) {
			continue
		}
		own := filepath.Join(folder, entry.Name())
		lock, lockErr := lockFolder(own)
		if !entry.IsDir() || lockErr != nil {
			continue // not a spool, or its owner lives
		}
		left := &Spool{Owner: entry.Name(), folder: own, lock: lock}
		if readErr := left.load(); readErr != nil {
			err = errors.Join(err, readErr, lock.Close())
			continue
		}
		found = append(found, left)
	}
	if err != nil {
		err = fmt.Errorf("spool: %w", err)
	}
	return found, err
}

// load finds out what is in the files.
func (s *Spool) load() error {
	paths, err := filepath.Glob(filepath.Join(s.folder, "*"+suffix))
	if err != nil {
		return err
	}
	slices.Sort(paths)
	for _, path := range paths {
		first, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), suffix), 10, 64)
		if err != nil {
			continue
		}
		found := &segment{path: path, first: first, last: first}
		err = read(path, func(record Record) bool {
			found.last = record.Number
			found.count++
			found.bytes += headerBytes + int64(len(record.Data))
			return true
		})
		if err != nil {
			return err
		}
		s.segments = append(s.segments, found)
		s.last = found.last
	}
	return nil
}

// Count is how many records there are, those included that are done with and share
// a file with others that are not.
func (s *Spool) Count() int {
	count := 0
	for _, each := range s.segments {
		count += each.count
	}
	return count
}

// Bytes is the size of the files.
func (s *Spool) Bytes() int64 {
	var bytes int64
	for _, each := range s.segments {
		bytes += each.bytes
	}
	return bytes
}

// Append keeps a record; its number is higher than the last one's. It survives the
// end of the process, though not that of the machine.
func (s *Spool) Append(number uint64, data []byte) error {
	size := int64(headerBytes + len(data))
	if s.Bytes()+size > s.limit {
		return ErrFull
	}
	if err := s.makeRoom(number); err != nil {
		return err
	}
	record := make([]byte, headerBytes, size)
	binary.BigEndian.PutUint64(record, number)
	binary.BigEndian.PutUint32(record[8:], uint32(len(data))) //nolint:gosec // far below
	binary.BigEndian.PutUint32(record[12:], crc32.ChecksumIEEE(data))
	now := s.segments[len(s.segments)-1]
	if _, err := s.file.Write(append(record, data...)); err != nil {
		// What is half written ends the file: the next record begins another.
		return errors.Join(fmt.Errorf("spool: %w", err), s.closeFile())
	}
	now.last, now.bytes, now.count = number, now.bytes+size, now.count+1
	s.last = number
	return nil
}

// makeRoom begins a file where there is none, or the last one is large enough.
func (s *Spool) makeRoom(number uint64) error {
	if s.file != nil && s.segments[len(s.segments)-1].bytes < segmentBytes {
		return nil
	}
	if err := s.closeFile(); err != nil {
		return err
	}
	path := filepath.Join(s.folder, fmt.Sprintf("%020d%s", number, suffix))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.file = file
	s.segments = append(s.segments, &segment{path: path, first: number, last: number})
	return nil
}

func (s *Spool) closeFile() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// Read answers the first records after a number, n at most.
func (s *Spool) Read(after uint64, n int) ([]Record, error) {
	var records []Record
	for _, each := range s.segments {
		if each.count == 0 || each.last <= after {
			continue
		}
		err := read(each.path, func(record Record) bool {
			if record.Number > after {
				records = append(records, record)
			}
			return len(records) < n
		})
		if err != nil || len(records) >= n {
			return records, err
		}
	}
	return records, nil
}

// read answers a file's records, until it is told to stop. Where a record is
// damaged, or was being written when the process ended, the file ends.
func read(path string, take func(Record) bool) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer func() { _ = file.Close() }()
	buffered := bufio.NewReaderSize(file, 64<<10)
	header := make([]byte, headerBytes)
	for {
		if _, err := io.ReadFull(buffered, header); err != nil {
			return nil
		}
		length := binary.BigEndian.Uint32(header[8:])
		if length > maxRecord {
			return nil
		}
		data := make([]byte, length)
		if _, err := io.ReadFull(buffered, data); err != nil || crc32.ChecksumIEEE(data) != binary.BigEndian.Uint32(header[12:]) {
			return nil
		}
		if !take(Record{binary.BigEndian.Uint64(header), data}) {
			return nil
		}
	}
}

// Done lets the records up to a number go, a file at a time.
func (s *Spool) Done(number uint64) error {
	for len(s.segments) > 0 && s.segments[0].last <= number {
		if len(s.segments) == 1 {
			if s.file != nil && s.segments[0].bytes < segmentBytes {
				return nil // it goes on with this one
			}
			if err := s.closeFile(); err != nil {
				return err
			}
		}
		if err := os.Remove(s.segments[0].path); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		s.segments = s.segments[1:]
	}
	return nil
}

// Close lets go of the files; whoever comes next finds in Leftovers what was not
// done with. done tells that all was: then nothing is left.
func (s *Spool) Close(done bool) error {
	err := s.closeFile()
	if done {
		err = errors.Join(err, os.RemoveAll(s.folder))
	}
	return errors.Join(err, s.lock.Close())
}
