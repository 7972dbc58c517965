package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const large = 1 << 30

func create(t *testing.T, folder string, limit int64) *Spool {
	t.Helper()
	s, err := Create(folder, "owner-1", limit)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fill(t *testing.T, s *Spool, from, to uint64, size int) {
	t.Helper()
	for number := from; number <= to; number++ {
		if err := s.Append(number, []byte(strings.Repeat(string(rune('a'+number%26)), size))); err != nil {
			t.Fatal(err)
		}
	}
}

// numbers reads all, three at a time.
func numbers(t *testing.T, s *Spool) (all []uint64) {
	t.Helper()
	for last := uint64(0); ; {
		records, err := s.Read(last, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			last = record.Number
			if want := rune('a' + last%26); strings.Trim(string(record.Data), string(want)) != "" {
				t.Errorf("record %d has another's data", last)
			}
			all = append(all, last)
		}
		if len(records) == 0 {
			return all
		}
	}
}

// dies ends the owner as kill -9 would: the lock goes, the files stay.
func dies(t *testing.T, s *Spool) {
	t.Helper()
	if err := s.lock.Close(); err != nil {
		t.Fatal(err)
	}
}

func leftovers(t *testing.T, folder string) []*Spool {
	t.Helper()
	left, err := Leftovers(folder)
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func TestRecordsSurviveTheirOwner(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := create(t, folder, large)
	fill(t, s, 1, 10, 1<<20) // several files
	if left := leftovers(t, folder); len(left) != 0 {
		t.Fatal("a spool was taken over whose owner lives")
	}
	if err := s.Done(5); err != nil {
		t.Fatal(err)
	}
	dies(t, s)
	left := leftovers(t, folder)
	if len(left) != 1 || left[0].Owner != "owner-1" {
		t.Fatalf("left: %v", left)
	}
	got := numbers(t, left[0])
	if len(got) == 0 || got[0] > 6 || got[len(got)-1] != 10 || left[0].Count() != len(got) {
		t.Errorf("left: %v, counted %d", got, left[0].Count())
	}
	if err := errors.Join(left[0].Done(10), left[0].Close(true)); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

// A record that was being written when its owner died is not there; those before
// it are.
// Several gateways may start with one folder at once: none takes a spool for a leftover that
// has just been made.
func TestCreateBesideLeftovers(t *testing.T) {
	folder := t.TempDir()
	var looking sync.WaitGroup
	defer looking.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 4 {
		looking.Go(func() {
			for ctx.Err() == nil {
				found, err := Leftovers(folder)
				if err != nil {
					t.Error(err)
				}
				for _, left := range found {
					t.Errorf("%s is no leftover", left.Owner)
					_ = left.Close(true)
				}
			}
		})
	}
	for i := range 200 {
		s, err := Create(folder, fmt.Sprint("owner-", i), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close(true) }()
	}
	cancel()
	looking.Wait()
}

func TestDamagedEnd(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"half a record":  func(b []byte) []byte { return b[:len(b)-5] },
		"half a header":  func(b []byte) []byte { return b[:len(b)-100-headerBytes/2] },
		"a flipped byte": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"a huge length":  func(b []byte) []byte { b[len(b)-100-8] = 0xff; return b },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			s := create(t, folder, large)
			fill(t, s, 1, 3, 100)
			dies(t, s)
			paths, _ := filepath.Glob(filepath.Join(folder, "owner-1", "*"+suffix))
			content, err := os.ReadFile(paths[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(paths[0], damage(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := numbers(t, leftovers(t, folder)[0]); len(got) != 2 {
				t.Errorf("left: %v", got)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	s := create(t, t.TempDir(), 10<<20)
	fill(t, s, 1, 9, 1<<20)
	if err := s.Append(10, make([]byte, 2<<20)); !errors.Is(err, ErrFull) {
		t.Errorf("beyond the limit: %v", err)
	}
	if err := s.Done(9); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 11, 14, 1<<20)
	if got := numbers(t, s); got[len(got)-1] != 14 {
		t.Errorf("it has %v", got)
	}
}

// A spool is as large as its files.
func TestBytesAreThoseOfTheFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := create(t, folder, large)
	if got := s.Bytes(); got != 0 {
		t.Errorf("an empty one has %d", got)
	}
	fill(t, s, 1, 9, segmentBytes/4)
	paths, err := filepath.Glob(filepath.Join(folder, "*", "*"+suffix))
	if err != nil || len(paths) < 2 {
		t.Fatalf("%v, %v", paths, err)
	}
	var files int64
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		files += info.Size()
	}
	if got := s.Bytes(); got != files {
		t.Errorf("%d bytes, and the files have %d", got, files)
	}
}
