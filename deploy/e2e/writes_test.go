package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// Three people write through three gateways at once, settings and token files,
// while the tokenstore is killed again and again. Each reads, changes what it
// read, and writes it back with the version that it read. What was acknowledged
// is there in the end, nothing was overwritten, and no file is ever torn.
func TestWritesThroughThreeGateways(t *testing.T) {
	t.Parallel()
	const (
		writes = 200 // of each kind, by all writers together
		kills  = 10
	)
	s := stack.Start(t, stack.Options{Gateways: 3})
	before := queueWait(t, s.Gateways[0])
	var settings, files ledger
	settings.wanted, files.wanted = writes, writes
	var writers sync.WaitGroup
	for i, gateway := range s.Gateways {
		writers.Go(func() { settings.write(t, func() outcome { return raiseQueueWait(t, gateway) }) })
		writers.Go(func() { files.write(t, func() outcome { return addLine(t, gateway, i, &files) }) })
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	torn := watchFiles(t, s.Folder, done)
	for kill := range kills {
		next := int64((kill + 1) * writes / (kills + 2))
		s.Eventually(fmt.Sprintf("%d writes of each kind", next), 2*time.Minute, func() bool {
			return settings.acknowledged.Load() >= next && files.acknowledged.Load() >= next
		})
		s.Tokenstore.Kill()
		s.Tokenstore.Start()
	}
	<-done
	if problem := <-torn; problem != "" {
		t.Error(problem)
	}
	checkRaised(t, s, before, &settings)
	checkLines(t, s, &files)
	t.Logf("settings: %s; files: %s; %d kills", &settings, &files, kills)
}

// outcome is how a write ended for its writer.
type outcome int

const (
	acknowledged outcome = iota
	refused              // somebody else was faster: nothing has changed
	unknown              // no answer, or none that tells
)

// ledger counts how writes ended.
type ledger struct {
	wanted                         int64
	acknowledged, refused, unknown atomic.Int64
	mu                             sync.Mutex
	// lines are those of acknowledged writes, doubtful those of unknown ones.
	lines, doubtful []string
}

func (l *ledger) String() string {
	return fmt.Sprintf("%d acknowledged, %d refused, %d unknown", l.acknowledged.Load(), l.refused.Load(), l.unknown.Load())
}

// write repeats until all writers together have enough acknowledged.
func (l *ledger) write(t *testing.T, write func() outcome) {
	deadline := time.Now().Add(4 * time.Minute)
	for l.acknowledged.Load() < l.wanted {
		if time.Now().After(deadline) {
			t.Errorf("%s after four minutes, want %d", l, l.wanted)
			return
		}
		switch write() {
		case acknowledged:
			l.acknowledged.Add(1)
		case refused:
			l.refused.Add(1)
		case unknown:
			l.unknown.Add(1)
		}
	}
}

func (l *ledger) note(line string, ended outcome) outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch ended {
	case acknowledged:
		l.lines = append(l.lines, line)
	case unknown:
		l.doubtful = append(l.doubtful, line)
	case refused:
	}
	return ended
}

func ended(got answered, err error) outcome {
	switch {
	case err == nil && got.status == http.StatusOK:
		return acknowledged
	case err == nil && (got.status == http.StatusConflict || got.status == http.StatusPreconditionFailed):
		return refused
	default:
		return unknown
	}
}

// raiseQueueWait adds one to a setting, if it is still the one that was read.
func raiseQueueWait(t *testing.T, gateway *stack.Gateway) outcome {
	read, err := trySend(t.Context(), t, gateway, "GET", "/admin/api/settings", stack.AdminToken, "", nil)
	var now struct {
		QueueWaitMS int `json:"queue_wait_ms"`
	}
	if err != nil || read.status != http.StatusOK || json.Unmarshal(read.body, &now) != nil {
		return refused // nothing was written
	}
	body := `{"queue_wait_ms":` + strconv.Itoa(now.QueueWaitMS+1) + `}`
	return ended(trySend(t.Context(), t, gateway, "PATCH", "/admin/api/settings", stack.AdminToken, body, map[string]string{"If-Match": read.header.Get("ETag")}))
}

func queueWait(t *testing.T, gateway *stack.Gateway) int {
	t.Helper()
	var now struct {
		QueueWaitMS int `json:"queue_wait_ms"`
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/settings", nil).JSON(t, &now)
	return now.QueueWaitMS
}

var lineNumber atomic.Int64

// addLine adds a token to the file, if it is still the one that was read.
func addLine(t *testing.T, gateway *stack.Gateway, writer int, files *ledger) outcome {
	read, err := trySend(t.Context(), t, gateway, "POST", "/get-tokeninfo", stack.AdminToken, "", nil)
	var now struct {
		Tokens string `json:"tokens"`
	}
	if err != nil || read.status != http.StatusOK || json.Unmarshal(read.body, &now) != nil {
		return refused // nothing was written
	}
	n := lineNumber.Add(1)
	line := fmt.Sprintf("w%d-%d::sk-token-of-writer-%d-number-%06d", writer, n, writer, n)
	body, err := json.Marshal(map[string]string{"tokens": now.Tokens + line + "\n"})
	if err != nil {
		panic(err) // a map of strings can be encoded
	}
	return files.note(line, ended(trySend(t.Context(), t, gateway, "POST", "/update-tokeninfo", stack.AdminToken, string(body), map[string]string{"If-Match": read.header.Get("ETag")})))
}

// wholeLine is a line that the writers write, and what the tokenstore makes of it
// in the list.
var wholeLine = regexp.MustCompile(`^w\d-\d+::sk-token-of-writer-\d-number-\d{6}(,[^,]{72,137})?$`)

// watchFiles reads both files over and over until done, and answers the first
// torn line that it saw.
func watchFiles(t *testing.T, folder string, done <-chan struct{}) <-chan string {
	t.Helper()
	torn := make(chan string, 1)
	go func() {
		defer close(torn)
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for {
			for _, name := range []string{".token", ".token-list"} {
				if problem := tornLine(filepath.Join(folder, name)); problem != "" {
					torn <- problem
					return
				}
			}
			select {
			case <-done:
				return
			case <-look.C:
			}
		}
	}()
	return torn
}

func tornLine(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return "" // not there yet
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(content)), "\n") {
		if line != "" && !wholeLine.MatchString(line) {
			return fmt.Sprintf("%s has the line %q", filepath.Base(path), line)
		}
	}
	return ""
}

// checkRaised: each acknowledged write counts once, and one whose end is unknown
// at most once.
func checkRaised(t *testing.T, s *stack.Stack, before int, settings *ledger) {
	t.Helper()
	for _, gateway := range s.Gateways {
		s.WaitReady(gateway.Ops)
		raised := int64(queueWait(t, gateway) - before)
		if least, most := settings.acknowledged.Load(), settings.acknowledged.Load()+settings.unknown.Load(); raised < least || raised > most {
			t.Errorf("%s: the setting was raised %d times, want %d to %d", gateway.URL, raised, least, most)
		}
	}
}

// checkLines: every acknowledged line is in the file and in the pool, and nothing
// is there that nobody wrote.
func checkLines(t *testing.T, s *stack.Stack, files *ledger) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.Folder, ".token"))
	if err != nil {
		t.Fatal(err)
	}
	inFile := map[string]bool{}
	for line := range strings.SplitSeq(strings.TrimSpace(string(content)), "\n") {
		inFile[line] = true
	}
	inPool := map[string]bool{}
	for _, token := range s.Gateways[1].Tokens(t) {
		inPool[token.Alias] = true
	}
	for _, line := range files.lines {
		alias, _, _ := strings.Cut(line, "::")
		if !inFile[line] || !inPool[alias] {
			t.Errorf("%s: in the file %t, in the pool %t", alias, inFile[line], inPool[alias])
		}
	}
	if most := len(files.lines) + len(files.doubtful); len(inFile) > most || len(inPool) > most {
		t.Errorf("%d lines and %d tokens of %d writes", len(inFile), len(inPool), most)
	}
}
