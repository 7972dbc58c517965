package tokenfile

import (
	"bufio"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/testredis"
)

// writerVariable makes the test binary the process that is killed.
const writerVariable = "CAROUSEL_TEST_WRITER"

// generation is the content of both files of one write: whole if its first and last
// line agree.
func generation(n int) (tokens, list string) {
	var t, l strings.Builder
	fmt.Fprintf(&t, "# begin %d\n", n)
	for i := range 20 {
		fmt.Fprintf(&t, "named-%d-%d::T%d%s\n", n%7, i, i, strings.Repeat("x", 300))
		fmt.Fprintf(&l, "L%d-%d,%s\n", n%5, i, fresh())
	}
	fmt.Fprintf(&t, "# end %d\n", n)
	return t.String(), l.String()
}

// TestWriter is no test: it writes until it is killed.
func TestWriter(t *testing.T) {
	target := os.Getenv(writerVariable)
	if target == "" {
		t.Skip("for TestKilledWhileWriting")
	}
	socket, folder, _ := strings.Cut(target, "|")
	client := redis.NewClient(&redis.Options{
		Network: "unix", Addr: socket,
		DialTimeout: testredis.Timeout, ReadTimeout: testredis.Timeout, WriteTimeout: testredis.Timeout, PoolTimeout: testredis.Timeout,
	})
	files := New(newStore(t, client), folder+"/.token", folder+"/.token-list", slog.New(slog.DiscardHandler))
	if err := files.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		tokens, list := generation(n)
		if _, err := files.Write(t.Context(), tokens, &list, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintln(os.Stdout, "wrote", n); err != nil { // the parent counts
			t.Fatal(err)
		}
	}
}

// The process that writes is killed, again and again. Each file is whole whenever
// that is, and the next start brings files and pool together.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	p := newPlace(t, server.Client(t))
	folder := strings.TrimSuffix(p.tokens, "/.token")
	writes, kills := 0, 0
	for kills < 20 && !t.Failed() {
		writes += writeAndKill(t, server.Options().Addr+"|"+folder)
		kills++
		for _, path := range []string{p.tokens, p.tokens + ".bak"} {
			wantWhole(t, path, p.get(path))
		}
		for _, path := range []string{p.list, p.list + ".bak"} {
			wantWholeList(t, path, p.get(path))
		}
		p.restart()
		wantWhole(t, p.tokens, p.get(p.tokens))
		p.wantTidy(fmt.Sprintf("kill %d", kills))
		pool := " " + p.pool() + " "
		for line := range strings.Lines(p.get(p.tokens)) {
			if name := strings.TrimSpace(line); !strings.HasPrefix(name, "#") && !strings.Contains(pool, " "+name+" ") {
				t.Errorf("kill %d: the pool lacks %.20s", kills, name)
			}
		}
	}
	t.Logf("%d writes, %d kills", writes, kills)
}

// writeAndKill lets a process write for a moment, and answers how many writes it
// has ended.
func writeAndKill(t *testing.T, target string) int {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriter$", "-test.v")
	child.Env = append(os.Environ(), writerVariable+"="+target)
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	const before = 2 // after so many writes
	lines := bufio.NewScanner(output)
	writes, last := 0, time.Now()
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "wrote") {
			continue
		}
		if writes++; writes == before { // now, somewhere within the next one, which takes as long
			time.AfterFunc(rand.N(time.Since(last)), func() { _ = child.Process.Kill() })
		}
		last = time.Now()
	}
	_ = child.Wait() // says that it was killed
	if writes < before {
		t.Fatalf("it ended by itself after %d writes", writes)
	}
	return writes
}

func wantWhole(t *testing.T, path, text string) {
	t.Helper()
	if text == "(none)" {
		return
	}
	first, _, _ := strings.Cut(text, "\n")
	number, found := strings.CutPrefix(first, "# begin ")
	if !found || !strings.HasSuffix(text, "\n# end "+number+"\n") {
		t.Errorf("%s is torn: %d bytes, begins with %.20q", path, len(text), text)
	}
}

// wantWholeList: all lines are good, and none is cut. It has at least those of one
// write.
func wantWholeList(t *testing.T, path, text string) {
	t.Helper()
	if text == "(none)" {
		return
	}
	wants, err := readContents(nil, &text)
	if err != nil || len(wants.rejected[tokenList]) > 0 || len(wants.tokens) < 20 || !strings.HasSuffix(text, "\n") {
		t.Errorf("%s is torn: %d tokens, %v, %v", path, len(wants.tokens), wants.rejected, err)
	}
}
