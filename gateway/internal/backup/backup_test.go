package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/backupform"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var madeAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	passphrase = "correct horse battery"
	// testWork is less than people have to do.
	testWork = 10
)

func newDesk(store Store) *Desk {
	return &Desk{store: store, vault: newVault(testWork), restored: func(context.Context) {}}
}

// A file that people get takes work to try passphrases on, and no more than a small server has room
// for.
func TestTheWork(t *testing.T) {
	t.Parallel()
	backup, err := NewDesk(&fakeStore{records: records(0)}, nil).Make(t.Context(), secret.New(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	if header, _, _ := bytes.Cut(backup.File, []byte("---")); !bytes.Contains(header, []byte(" 16\n")) {
		t.Errorf("the header is %q", header)
	}
}

// records are a header, as many pages of 60,000 bytes, and an end.
func records(pages int) []*tokenstorev1.BackupRecord {
	all := []*tokenstorev1.BackupRecord{{Record: &tokenstorev1.BackupRecord_Header{Header: &tokenstorev1.BackupHeader{Version: 1, MadeAt: timestamppb.New(madeAt)}}}}
	for i := range pages {
		page := &tokenstorev1.Page{Path: fmt.Sprint(i), Content: strings.Repeat("the secret of a page\n", 3000)}
		all = append(all, &tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Page{Page: page}})
	}
	end := &tokenstorev1.BackupEnd{Records: uint64(pages) + 1, UnreadableTokens: []string{"t1"}}
	return append(all, &tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_End{End: end}})
}

func made(t *testing.T, store *fakeStore) *Made {
	t.Helper()
	backup, err := newDesk(store).Make(t.Context(), secret.New(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	return backup
}

// What comes out of a file is what went in, and the file tells nothing of it.
func TestAFileHasWhatWasSealed(t *testing.T) {
	t.Parallel()
	store := &fakeStore{records: records(20)}
	backup := made(t, store)
	if backup.Records != 20 || !slices.Equal(backup.UnreadableTokens, []string{"t1"}) {
		t.Errorf("%d records, unreadable %v", backup.Records, backup.UnreadableTokens)
	}
	if bytes.Contains(backup.File, []byte("secret of a page")) || bytes.Contains(backup.File, []byte("carousel backup")) {
		t.Error("the file shows its content")
	}
	into, told := &fakeStore{}, 0
	desk := newDesk(into)
	desk.restored = func(context.Context) { told++ }
	plan, err := desk.Restore(t.Context(), Restoration{
		File: bytes.NewReader(backup.File), Passphrase: secret.New(passphrase), RemoveOthers: true, Apply: "abcd", Actor: "api",
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := (backupform.Item{Kind: "token", Action: backupform.Add, Name: "cursor: work"}); !plan.Applied || plan.Digest != "abcd" ||
		!plan.MadeAt.Equal(madeAt) || len(plan.Items) != 1 || plan.Items[0] != want || plan.Total(backupform.Add) != 1 {
		t.Errorf("the plan is %+v", plan)
	}
	options := &tokenstorev1.RestoreOptions{Apply: true, RemoveOthers: true, PlanDigest: []byte{0xab, 0xcd}, Actor: "api"}
	if !proto.Equal(into.options, options) || !into.whole {
		t.Errorf("asked with %v", into.options)
	}
	if told != 1 {
		t.Errorf("told %d times that something has changed, want once", told)
	}
	if !slices.EqualFunc(store.records, into.given, func(a, b *tokenstorev1.BackupRecord) bool { return proto.Equal(a, b) }) {
		t.Error("the records are not those that were sealed")
	}
}

// The age command opens a file, too.
func TestAFileIsOneOfAge(t *testing.T) {
	t.Parallel()
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	content, err := age.Decrypt(bytes.NewReader(made(t, &fakeStore{records: records(0)}).File), identity)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(content); err != nil || !strings.HasPrefix(string(text), title) {
		t.Errorf("it has %q, %v", text, err)
	}
}

// A file that is not whole, or not as it was, is refused before anything of it is restored; and so
// is a wrong passphrase.
func TestWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	whole := made(t, &fakeStore{records: records(4)}).File
	header := bytes.Index(whole, []byte("\n---")) + 1
	header += bytes.IndexByte(whole[header:], '\n') + 1
	const nonce, chunk = 16, 64<<10 + 16
	flipped := func(at int) []byte {
		file := bytes.Clone(whole)
		file[at] ^= 1
		return file
	}
	for name, c := range map[string]struct {
		file       []byte
		passphrase string
		want       error
	}{
		"another passphrase":           {whole, passphrase + ".", ErrPassphrase},
		"no passphrase":                {whole, "", ErrPassphrase},
		"empty":                        {nil, passphrase, ErrForeign},
		"another kind of file":         {[]byte("PK\x03\x04 and so on, for a while"), passphrase, ErrForeign},
		"for a key":                    {forKey(t), passphrase, ErrForeign},
		"of age, but no backup":        {ageFile(t, "something else, and longer", testWork), passphrase, ErrForeign},
		"with more work":               {ageFile(t, title, testWork+1), passphrase, ErrNewer},
		"cut in its header":            {whole[:header-10], passphrase, ErrDamaged},
		"cut behind its header":        {whole[:header], passphrase, ErrDamaged},
		"cut before its first chunk":   {whole[:header+nonce], passphrase, ErrDamaged},
		"cut in a chunk":               {whole[:len(whole)-1], passphrase, ErrDamaged},
		"cut behind a chunk":           {whole[:header+nonce+chunk], passphrase, ErrDamaged},
		"going on":                     {append(bytes.Clone(whole), 'x'), passphrase, ErrDamaged},
		"changed in its first chunk":   {flipped(header + nonce + 100), passphrase, ErrDamaged},
		"changed in its last chunk":    {flipped(len(whole) - 1), passphrase, ErrDamaged},
		"changed in its header's MAC":  {flipped(header - 10), passphrase, ErrDamaged},
		"of a record that breaks off":  {ageFile(t, title+"\x05abc", testWork), passphrase, ErrDamaged},
		"of a record that is too long": {ageFile(t, title+"\xff\xff\xff\x7f", testWork), passphrase, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &fakeStore{}
			_, err := newDesk(store).Restore(t.Context(), Restoration{File: bytes.NewReader(c.file), Passphrase: secret.New(c.passphrase)})
			told := chat.AsError(err)
			if !errors.Is(err, c.want) || told.Kind != chat.InvalidRequest || told.Param == "" {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if store.whole {
				t.Error("the store was asked all the same")
			}
			if strings.Contains(told.Message, "correct horse") {
				t.Error("the error repeats the passphrase")
			}
		})
	}
}

func ageFile(t *testing.T, content string, work int) []byte {
	t.Helper()
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(work)
	return encrypted(t, content, recipient)
}

func forKey(t *testing.T) []byte {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return encrypted(t, title, identity.Recipient())
}

func encrypted(t *testing.T, content string, recipient age.Recipient) []byte {
	t.Helper()
	var file bytes.Buffer
	out, err := age.Encrypt(&file, recipient)
	if err == nil {
		_, err = io.WriteString(out, content)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestAWeakPassphraseSealsNothing(t *testing.T) {
	t.Parallel()
	for _, weak := range []string{"", "elf letters", strings.Repeat("x", 513), "twelve\xffand more"} {
		_, err := newDesk(&fakeStore{records: records(0)}).Make(t.Context(), secret.New(weak))
		if told := chat.AsError(err); err == nil || told.Param != "passphrase" {
			t.Errorf("%q: %v", weak, err)
		}
	}
}

// A backup that the store breaks off is none.
func TestABackupThatBreaksOff(t *testing.T) {
	t.Parallel()
	store := &fakeStore{records: records(2)[:2], fails: errors.New("the store is gone")}
	if backup, err := newDesk(store).Make(t.Context(), secret.New(passphrase)); err == nil {
		t.Errorf("made %d bytes", len(backup.File))
	}
}

// Who waits for the memory of another one's file gives up with the request.
func TestFilesAreOpenedOneAtATime(t *testing.T) {
	t.Parallel()
	vault := newVault(testWork)
	ctx, cancel := context.WithCancel(t.Context())
	err := vault.alone(ctx, func() error {
		cancel()
		_, err := vault.seal(ctx, io.Discard, secret.New(passphrase))
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// upload is a request with a form.
func upload(t *testing.T, fields [][2]string) *http.Request {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, each := range fields {
		create := form.CreateFormField
		if each[0] == FileField {
			create = func(name string) (io.Writer, error) { return form.CreateFormFile(name, "a.age") }
		}
		part, err := create(each[0])
		if err == nil {
			_, err = io.WriteString(part, each[1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

func TestUploads(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("\xff\x00 large ", 300_000)
	for name, c := range map[string]struct {
		fields     [][2]string
		file, want string
	}{
		"the file last":      {[][2]string{{"mode", "plan"}, {FileField, "abc\xff"}}, "abc\xff", ""},
		"the file first":     {[][2]string{{FileField, "abc"}, {"mode", "plan"}}, "abc", ""},
		"a large file":       {[][2]string{{"mode", "plan"}, {FileField, large}}, large, ""},
		"in base64":          {[][2]string{{"mode", "plan"}, {SealedField, "YWJj"}}, "abc", ""},
		"not in base64":      {[][2]string{{"mode", "plan"}, {SealedField, "%"}}, "", "in base64 wanted"},
		"without a file":     {[][2]string{{"mode", "plan"}}, "", "is missing"},
		"a field too long":   {[][2]string{{"mode", strings.Repeat("x", maxField+1)}}, "", "too long fields"},
		"too many fields":    {slices.Repeat([][2]string{{"mode", "plan"}}, maxFields+1), "", "too many"},
		"the file, in vain ": {[][2]string{{"mode", "plan"}, {"files", "abc"}}, "", "is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, mode := []byte(nil), "plan"
			form, err := NewUploads().Read(httptest.NewRecorder(), upload(t, c.fields))
			if err == nil {
				defer func() { _ = form.Close() }() // it was only read
				mode = form.Value("mode")
				var content io.Reader
				if content, err = form.File(); err == nil {
					file, err = io.ReadAll(content)
				}
			}
			if c.want == "" && (err != nil || string(file) != c.file || mode != "plan") {
				t.Errorf("%d bytes, mode %q, %v", len(file), mode, err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("{}"))
	if _, err := NewUploads().Read(httptest.NewRecorder(), r); err == nil || !strings.Contains(err.Error(), "multipart/form-data") {
		t.Errorf("without a form: %v", err)
	}
}

// Wherever a form is cut off, nothing is taken for whole: a missing field may say what is wanted.
func TestAFormThatIsCutOff(t *testing.T) {
	t.Parallel()
	whole := upload(t, [][2]string{{FileField, "abc"}, {"mode", "plan"}})
	body, err := io.ReadAll(whole.Body)
	if err != nil {
		t.Fatal(err)
	}
	const lineEnd = 2 // behind the form, it may be missing
	for length := range len(body) - lineEnd {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body[:length]))
		r.Header = whole.Header
		if form, err := NewUploads().Read(httptest.NewRecorder(), r); err == nil {
			t.Errorf("%q is taken for whole, with mode %q", body[:length], form.Value("mode"))
			_ = form.Close()
		}
	}
}
