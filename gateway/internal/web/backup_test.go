package web_test

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"carousel.internal/gateway/internal/backup"
	"carousel.internal/gateway/internal/backupform"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// backupDesk remembers what it is asked for.
type backupDesk struct {
	passphrase string
	wanted     backup.Restoration
	file       string
	err        error
}

func (d *backupDesk) Make(_ context.Context, passphrase secret.Value) (*backup.Made, error) {
	d.passphrase = passphrase.Reveal()
	return &backup.Made{File: []byte("sealed\xff"), Records: 3}, d.err
}

func (d *backupDesk) Restore(_ context.Context, wanted backup.Restoration) (backupform.Plan, error) {
	file, err := io.ReadAll(wanted.File)
	if err != nil {
		return backupform.Plan{}, err
	}
	d.wanted, d.file = wanted, string(file)
	return backupform.Plan{
		MadeAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Applied: wanted.Apply != "", RemoveOthers: wanted.RemoveOthers, Digest: "abcd",
		Counts: []backupform.Count{{Kind: "token", Action: backupform.Add, Count: 3}, {Kind: "setting", Action: backupform.Same, Count: 5}, {Kind: "page", Action: backupform.Refuse, Count: 1}},
		Items: []backupform.Item{
			{Kind: "token", Action: backupform.Add, Name: hostile}, {Kind: "page", Action: backupform.Refuse, Name: "/", Detail: "too long"},
		},
		Unreadable: backupform.Unreadable{Tokens: []string{"t77"}},
	}, d.err
}

// sendBackup sends a form with a file as the browser does that is logged in.
func (s *site) sendBackup(t *testing.T, path, file string, fields map[string]string) *answer {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		_ = form.WriteField(name, value)
	}
	if file != "" {
		part, _ := form.CreateFormFile("file", "a.backup.age")
		_, _ = io.WriteString(part, file)
	}
	_ = form.Close()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.AddCookie(s.session.Cookie(r))
	w := s.send(r)
	return &answer{w.Code, w.Header().Get("Location"), parse(t, w.Body)}
}

func TestABackupIsDownloaded(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	form := url.Values{"csrf": {site.session.CSRF}, "passphrase": {"correct horse"}, "again": {"correct horse"}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/admin/backup/make", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(site.session.Cookie(r))
	w := site.send(r)
	if w.Code != http.StatusOK || w.Body.String() != "sealed\xff" || site.store.desk.passphrase != "correct horse" {
		t.Errorf("%d %q, asked with %q", w.Code, w.Body, site.store.desk.passphrase)
	}
	if name := w.Header().Get("Content-Disposition"); !strings.HasSuffix(name, `Z.backup.age"`) || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("it is to be called %s, kept: %s", name, w.Header().Get("Cache-Control"))
	}
	if !slices.Equal(site.store.kept, []string{"backup made"}) {
		t.Errorf("the audit log has %v", site.store.kept)
	}
}

func TestABackupThatIsNotMade(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		passphrase, again string
		err               error
		says              string
	}{
		"too short":     {"short", "short", nil, "12 characters at least"},
		"too long":      {strings.Repeat("a", 513), strings.Repeat("a", 513), nil, "512 bytes at most"},
		"another again": {"correct horse", "correct house", nil, "not the same"},
		"no store":      {"correct horse", "correct horse", chat.Errorf(chat.StoreUnavailable, "away"), "can't be reached"},
	} {
		site := newSite(t, full())
		site.store.desk.err = c.err
		got := site.submit(t, "/admin/backup/make", url.Values{"csrf": {site.session.CSRF}, "passphrase": {c.passphrase}, "again": {c.again}})
		if said := text(got.page.byID("problem")); got.code < 400 || !strings.Contains(said, c.says) || len(site.store.kept) > 0 {
			t.Errorf("%s: %d %s, the audit log has %v", name, got.code, said, site.store.kept)
		}
	}
}

// What a restore would change is shown first; what was shown is what is carried out, without the
// file being chosen again, and without the passphrase being in the page.
func TestARestoreOnThePage(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	got := site.sendBackup(t, "/admin/backup/plan", "sealed\xff", map[string]string{"csrf": site.session.CSRF, "passphrase": "correct horse", "remove_others": "1"})
	if got.code != http.StatusOK || site.store.desk.wanted.Apply != "" || !site.store.desk.wanted.RemoveOthers {
		t.Fatalf("%d, asked for %+v", got.code, site.store.desk.wanted)
	}
	checkPage(t, "plan", got.page, "en")
	for id, want := range map[string]string{
		"plan": "New here 3 Can't be restored 1 The same already 5", "plan-add": "Token " + hostile, "plan-refuse": "Page content / too long", "unreadable": "t77",
	} {
		if said := text(got.page.byID(id)); !strings.Contains(said, want) {
			t.Errorf("%s: %q is not in %s", id, want, said)
		}
	}
	if said := text(got.page.byID("plan-add")); !strings.Contains(said, "and 2 more") {
		t.Errorf("what is not listed: %s", said)
	}
	fields := map[string]string{"passphrase": "correct horse"}
	form := got.page.byID("apply-form")
	for field := range form.Descendants() {
		if field.Data == "input" && attribute(field, "type") == "hidden" {
			fields[attribute(field, "name")] = attribute(field, "value")
		}
		if strings.Contains(attribute(field, "value"), "correct horse") {
			t.Error("the page has the passphrase")
		}
	}
	if len(site.store.kept) > 0 {
		t.Errorf("a plan is in the audit log: %v", site.store.kept)
	}
	applied := site.sendBackup(t, "/admin/backup/apply", "", fields)
	wanted := site.store.desk.wanted
	if applied.code != http.StatusOK || wanted.Apply != "abcd" || !wanted.RemoveOthers || wanted.Actor != "pages 192.0.2.1" || site.store.desk.file != "sealed\xff" {
		t.Errorf("%d, asked for %+v with %q", applied.code, wanted, site.store.desk.file)
	}
	if said := text(applied.page.byID("plan")); !strings.HasPrefix(said, "Restored") || applied.page.byID("apply-form") != nil {
		t.Errorf("done: %s", said)
	}
	if !slices.Equal(site.store.kept, []string{"backup restored"}) || site.store.details["add"] != "3" {
		t.Errorf("the audit log has %v %v", site.store.kept, site.store.details)
	}
}

// A file that is too large for the page is chosen again.
func TestARestoreOfALargeFile(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	got := site.sendBackup(t, "/admin/backup/plan", strings.Repeat("x", backup.MaxSealed+1), map[string]string{"csrf": site.session.CSRF, "passphrase": "p"})
	hidden := got.page.all(func(n *html.Node) bool { return attribute(n, "name") == "sealed" })
	if got.code != http.StatusOK || len(hidden) != 0 || got.page.byID("a-file") == nil {
		t.Errorf("%d, %d hidden", got.code, len(hidden))
	}
}

func TestRestoresThatAreRefused(t *testing.T) {
	t.Parallel()
	changed := storeerr.Translate(rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT, "look again").GRPCStatus().Err())
	refusal := func(err error) error {
		return &chat.Error{Kind: chat.InvalidRequest, Message: "in other words", Err: err}
	}
	for name, c := range map[string]struct {
		file   string
		err    error
		status int
		says   string
	}{
		"no file":            {"", nil, 400, "Choose the file"},
		"another passphrase": {"x", refusal(backup.ErrPassphrase), 400, "not the passphrase"},
		"another file":       {"x", refusal(backup.ErrForeign), 400, "no backup"},
		"half a file":        {"x", refusal(backup.ErrDamaged), 400, "damaged"},
		"another plan":       {"x", changed, 409, "since you saw the plan"},
		"no store":           {"x", chat.Errorf(chat.StoreUnavailable, "away"), 503, "can't be reached"},
	} {
		site := newSite(t, full())
		site.store.desk.err = c.err
		got := site.sendBackup(t, "/admin/backup/apply", c.file, map[string]string{"csrf": site.session.CSRF, "passphrase": "p", "digest": "abcd"})
		if said := text(got.page.byID("problem")); got.code != c.status || !strings.Contains(said, c.says) || got.page.byID("plan") != nil {
			t.Errorf("%s: %d %s", name, got.code, said)
		}
		if inPart := c.status == 503; inPart != slices.Contains(site.store.kept, "backup restored in part") || !inPart && len(site.store.kept) > 0 {
			t.Errorf("%s: the audit log has %v", name, site.store.kept)
		}
	}
}

func TestBackupsNeedThisSessionsForm(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/admin/backup/make", "/admin/backup/plan", "/admin/backup/apply"} {
		site := newSite(t, full())
		fields := map[string]string{"csrf": "wrong", "passphrase": "correct horse", "again": "correct horse", "digest": "abcd"}
		if got := site.sendBackup(t, path, "x", fields); got.code != http.StatusForbidden {
			t.Errorf("%s, wrong csrf: %d", path, got.code)
		}
		if w := site.post(t, path, url.Values{"passphrase": {"correct horse"}}); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/admin/login?next=%2Fadmin%2Fbackup" {
			t.Errorf("%s, without a session: %d to %s", path, w.Code, w.Header().Get("Location"))
		}
		if site.store.desk.passphrase != "" || site.store.desk.file != "" {
			t.Errorf("%s: asked all the same", path)
		}
	}
}
