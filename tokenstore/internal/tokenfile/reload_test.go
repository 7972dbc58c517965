package tokenfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// Who never uses files gets none.
func TestNoFileWithoutUse(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		p.create("a", "T1")
		if err := p.refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := p.reload(); report.Count != 1 || report.Accepted+report.Updated+report.Deleted != 0 {
			t.Errorf("%+v", report)
		}
		p.restart()
		if got := p.read(); got.Count != 1 || !strings.HasPrefix(got.List, "a::T1,") || got.Tokens != "" {
			t.Errorf("%+v", got)
		}
		if p.get(p.tokens)+p.get(p.list) != "(none)(none)" {
			t.Error("a file was written")
		}
	})
}

// What somebody does to the files by hand counts at a reload, or at a start.
func TestFilesEditedByHand(t *testing.T) {
	t.Parallel()
	ways := map[string]func(*place){
		"reload": func(p *place) { p.reload() },
		"start":  func(p *place) { p.restart() },
	}
	for name, apply := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachPlace(t, func(t *testing.T, p *place) {
				p.put(p.list, "old::T1,"+fresh()+"\r\n# a comment\r\nT2,"+fresh()+"\r\n")
				apply(p)
				p.wantPool("a list that was there before", "T2 old::T1")
				if backup := p.get(p.list + ".bak"); !strings.Contains(backup, "# a comment") {
					t.Errorf("what was there is not kept: %q", backup)
				}

				p.put(p.tokens, "# mine\r\nnew::T1\r\nT3\r\n")
				apply(p)
				p.wantPool("a token file", "T2 T3 new::T1")
				if got := p.get(p.tokens); got != "# mine\nnew::T1\nT3\n" {
					t.Errorf("the token file has %q", got)
				}
				p.wantTidy("a token file")

				// Nothing has changed: nothing comes back, nothing goes.
				exported, err := p.store.ExportTokens(t.Context(), Upstream)
				if err != nil {
					t.Fatal(err)
				}
				for _, each := range exported {
					if each.Secret.Reveal() == "T3" {
						if err := p.store.DeleteToken(t.Context(), each.ID, 0); err != nil {
							t.Fatal(err)
						}
					}
				}
				later := p.create("later", "T4")
				apply(p)
				p.wantPool("without a change", "T2 later::T4 new::T1")
				if err := p.refresh(t.Context()); err != nil {
					t.Fatal(err)
				}

				p.put(p.list, strings.Replace(p.get(p.list), "T2,", "# T2,", 1))
				unseen := p.create("", "T5")
				apply(p)
				p.wantPool("a marked line", "T5 later::T4 new::T1")
				for _, id := range []string{later, unseen} {
					if _, err := p.store.Token(t.Context(), id); err != nil {
						t.Error(err)
					}
				}
				p.wantTidy("at the end")

				p.put(p.list, p.get(p.list)+"T3,"+fresh()+"\n")
				apply(p)
				p.wantPool("a token that comes back", "T3 T5 later::T4 new::T1")
			})
		})
	}
}

// An empty list is what a failed editor leaves, not a wish to delete all.
func TestAnEmptiedList(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testredis.Mini(t))
	p.write("", new("T1,"+fresh()))
	for _, text := range []string{"", "\n"} {
		p.put(p.list, text)
		if report := p.reload(); report.Deleted > 0 || report.Count != 1 {
			t.Errorf("%+v", report)
		}
		p.wantTidy("then")
	}
	if err := os.Remove(p.list); err != nil {
		t.Fatal(err)
	}
	p.reload()
	p.wantPool("a list that is gone", "T1")
	p.wantTidy("a list that is gone")
}

// A file that can't be read changes nothing, and keeps nobody from starting.
func TestUnusableFiles(t *testing.T) {
	t.Parallel()
	spoil := map[string]struct {
		file func(p *place, path string)
		// reason is that of the calls; says is in their error, and in the log of a start.
		reason tokenstorev1.Reason
		says   string
	}{
		"not to be read": {func(p *place, path string) {
			if err := errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700)); err != nil {
				p.t.Fatal(err)
			}
		}, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "can't be read; nothing was changed"},
		"too large": {func(p *place, path string) {
			p.limit = 1 << 20
			p.put(path, strings.Repeat("x", p.limit+1))
		}, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "more than 1 MiB"},
		"not UTF-8": {func(p *place, path string) {
			p.put(path, "T8\n\xff\n")
		}, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "line 2 is not valid UTF-8"},
	}
	for name, c := range spoil {
		for _, which := range []string{"token file", "list"} {
			t.Run(name+", "+which, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, testredis.Mini(t))
				p.write("T1\n", new("T2,"+fresh()))
				bad, good := p.list, p.tokens
				goodText := "T1\nT9\n"
				if which == "token file" {
					bad, good = p.tokens, p.list
					goodText = "T1," + fresh() + "\nT2," + fresh() + "\nT9," + fresh()
				}
				c.file(p, bad)
				_, err := p.Read(t.Context())
				wantReason(t, err, c.reason)
				_, err = p.Reload(t.Context())
				wantReason(t, err, c.reason)
				_, err = p.Write(t.Context(), "T3", new(""), "")
				wantReason(t, err, c.reason)
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), filepath.Base(bad)) {
					t.Errorf("it says %v", err)
				}
				p.wantPool("after the calls", "T1 T2")
				p.put(good, goodText)
				p.restart()
				p.wantPool("after a start", "T1 T2 T9")
				if log := p.log.String(); !strings.Contains(log, c.says) {
					t.Errorf("the log says\n%s", log)
				}
				if text, err := os.ReadFile(bad); err == nil && strings.Contains(string(text), "T9") {
					t.Error("the bad file was replaced")
				}
			})
		}
	}
}

// A file without a good line is told at the start, and stays.
func TestAHopelessFile(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testredis.Mini(t))
	p.put(p.tokens, "a::b::secret\n")
	_, err := p.Reload(t.Context())
	wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	p.restart()
	if log := p.log.String(); !strings.Contains(log, "line 1") || strings.Contains(log, "secret") {
		t.Errorf("the log says\n%s", log)
	}
	if p.get(p.tokens) != "a::b::secret\n" || p.get(p.list) != "(none)" {
		t.Error("the files have changed")
	}
}

// A folder in which nothing can be written does not keep tokens out of the pool.
func TestAFolderThatCanNotBeWritten(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	p := newPlace(t, testredis.Mini(t))
	p.put(p.tokens, "T1\r\nT2\r\n")
	folder := filepath.Dir(p.tokens)
	if err := os.Chmod(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
	p.restart()
	p.wantPool("after the start", "T1 T2")
	if !strings.Contains(p.log.String(), "can't be written") {
		t.Error("it is not told")
	}
	_, err := p.Write(t.Context(), "T3", nil, "")
	wantReason(t, err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE)
	p.wantPool("after a write", "T1 T2")
}

// A list that can't be written, whoever this process runs as, keeps no token out of the
// pool; and the log does not say that it did.
func TestAListThatCanNotBeWritten(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testredis.Mini(t))
	p.list = filepath.Join(filepath.Dir(p.tokens), "missing", ".token-list")
	p.put(p.tokens, "T1\nT2\n")
	p.restart()
	p.wantPool("after the start", "T1 T2")
	log := p.log.String()
	if strings.Contains(log, "level=ERROR") || strings.Contains(log, "not applied") {
		t.Errorf("the log says that they were not applied:\n%s", log)
	}
	for _, want := range []string{"token files were applied and stay as they are", "can't be written", "accepted=2"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
	p.log.Reset()
	p.restart()
	if log := p.log.String(); !strings.Contains(log, "accepted=0") {
		t.Errorf("at the next start:\n%s", log)
	}
}

func TestWithoutFiles(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testredis.Mini(t))
	p.tokens, p.list = "", ""
	p.restart()
	_, err := p.Write(t.Context(), "T1", nil, "")
	wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	p.create("", "T1")
	if got := p.read(); got.Count != 1 {
		t.Errorf("%+v", got)
	}
	p.reload()
}

func TestWithoutTheUpstream(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testredis.Mini(t))
	if err := p.store.DeleteUpstream(t.Context(), Upstream, 0); err != nil {
		t.Fatal(err)
	}
	p.put(p.tokens, "T1\n")
	p.restart()
	_, err := p.Reload(t.Context())
	wantReason(t, err, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND)
}

// A link to a file stays one.
func TestALinkedFile(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testredis.Mini(t))
	target := filepath.Join(t.TempDir(), "tokens")
	p.put(target, "T1\n")
	if err := os.Symlink(target, p.tokens); err != nil {
		t.Fatal(err)
	}
	p.write("T2\n", nil)
	if link, err := os.Readlink(p.tokens); err != nil || link != target || p.get(target) != "T2\n" || p.get(target+".bak") != "T1\n" {
		t.Errorf("%q, %v; %q", link, err, p.get(target))
	}
}

// dying is a store that fails from its n-th change on, as if the process had died
// there.
type dying struct {
	*redisstore.Store
	left int
}

var errDied = errors.New("died")

func (d *dying) change() error {
	if d.left--; d.left < 0 {
		return errDied
	}
	return nil
}

func (d *dying) ImportTokens(ctx context.Context, drafts []token.Draft) ([]redisstore.Imported, error) {
	if err := d.change(); err != nil {
		return nil, err
	}
	return d.Store.ImportTokens(ctx, drafts)
}

func (d *dying) EditTokens(ctx context.Context, edits []redisstore.Edit) ([]string, error) {
	if err := d.change(); err != nil {
		return nil, err
	}
	return d.Store.EditTokens(ctx, edits)
}

func (d *dying) DeleteTokens(ctx context.Context, tokens []redisstore.Exported) (int, error) {
	if err := d.change(); err != nil {
		return 0, err
	}
	return d.Store.DeleteTokens(ctx, tokens)
}

func (d *dying) RememberTokenFiles(ctx context.Context, known redisstore.TokenFiles) error {
	if err := d.change(); err != nil {
		return err
	}
	return d.Store.RememberTokenFiles(ctx, known)
}

// Wherever a write dies, the next start brings the pool and the files together: as
// they were, or as they were to be. A token that the caller did not know stays.
func TestWhereverAWriteDies(t *testing.T) {
	t.Parallel()
	const before, after = "C D U a::A b::B", "C E U a::B b::A"
	died := 0
	for steps := range 10 {
		p := newPlace(t, testredis.Mini(t))
		p.write("", new("a::A,"+fresh()+"\nb::B,"+fresh()+"\nC,"+fresh()+"\nD,"+fresh()+"\n"))
		p.create("", "U")
		if err := p.refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		writer := New(&dying{p.store, steps}, p.tokens, p.list, p.Files.log)
		_, err := writer.Write(t.Context(), "C\nE\n", new("b::A,"+fresh()+"\na::B,"+fresh()+"\n"), "")
		if err != nil {
			died++
			if !errors.Is(err, errDied) {
				t.Fatal(err)
			}
		}
		p.restart()
		if got := p.pool(); got != after && (err == nil || got != before) {
			t.Errorf("died at step %d: the pool has %q", steps, got)
		}
		p.wantTidy("after the start")
		pool := p.pool()
		p.restart()
		p.wantPool("after one more start", pool)
	}
	if died < 4 {
		t.Errorf("it died only %d times", died)
	}
}
