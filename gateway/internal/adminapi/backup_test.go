package adminapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/backup"
	"carousel.internal/gateway/internal/backupform"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// desk is a backup desk that remembers what it is asked for.
type desk struct {
	passphrase string
	wanted     backup.Restoration
	file       string
	err        error
}

func (d *desk) Make(_ context.Context, passphrase secret.Value) (*backup.Made, error) {
	d.passphrase = passphrase.Reveal()
	return &backup.Made{File: []byte("sealed\xff"), Records: 3, UnreadableTokens: []string{"t1", "t2"}}, d.err
}

func (d *desk) Restore(_ context.Context, wanted backup.Restoration) (backupform.Plan, error) {
	file, err := io.ReadAll(wanted.File)
	if err != nil {
		return backupform.Plan{}, err
	}
	d.wanted, d.file = wanted, string(file)
	return backupform.Plan{
		MadeAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Applied: wanted.Apply != "", Digest: "abcd",
		Counts: []backupform.Count{{Kind: "token", Action: backupform.Add, Count: 2}},
		Items:  []backupform.Item{}, Unreadable: backupform.Unreadable{Tokens: []string{}, Upstreams: []string{}, Destinations: []string{}},
	}, d.err
}

// formOf is a form with a file and its content type.
func formOf(t *testing.T, fields ...string) (body, contentType string) {
	t.Helper()
	var text bytes.Buffer
	form := multipart.NewWriter(&text)
	for i := 0; i+1 < len(fields); i += 2 {
		if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	file, err := form.CreateFormFile("file", "a.age")
	if err == nil {
		_, err = io.WriteString(file, "sealed\xff")
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return text.String(), form.FormDataContentType()
}

func TestBackup(t *testing.T) {
	t.Parallel()
	s := newStore()
	w := send(t, s, "POST", "/admin/api/backup", key, `{"passphrase":"correct horse"}`)
	if w.Code != http.StatusOK || w.Body.String() != "sealed\xff" || s.desk.passphrase != "correct horse" {
		t.Errorf("%d %q, asked with %q", w.Code, w.Body, s.desk.passphrase)
	}
	name := w.Header().Get("Content-Disposition")
	if !strings.HasPrefix(name, `attachment; filename="carousel-2`) || !strings.HasSuffix(name, `Z.backup.age"`) {
		t.Errorf("it is to be called %s", name)
	}
	if lacks := w.Header().Get("X-Carousel-Unreadable-Tokens"); lacks != "t1,t2" {
		t.Errorf("it lacks %q", lacks)
	}
	if len(s.kept) != 1 || s.kept[0].GetAction() != "backup made" || s.kept[0].GetDetails()["records"] != "3" {
		t.Errorf("the audit log has %v", s.kept)
	}
	if strings.Contains(w.log, "correct horse") {
		t.Error("the passphrase is in the log")
	}
	down := newStore()
	down.desk.err = chat.Errorf(chat.StoreUnavailable, "away")
	if w := send(t, down, "POST", "/admin/api/backup", key, `{"passphrase":"correct horse"}`); w.Code != http.StatusServiceUnavailable || len(down.kept) != 0 {
		t.Errorf("store away: %d, the audit log has %v", w.Code, down.kept)
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fields []string
		want   backup.Restoration
		audit  string
	}{
		"planned":            {[]string{"passphrase", "p", "mode", "plan"}, backup.Restoration{}, ""},
		"without a mode":     {[]string{"passphrase", "p"}, backup.Restoration{}, ""},
		"planned, and rest":  {[]string{"passphrase", "p", "mode", "plan", "remove_others", "true"}, backup.Restoration{RemoveOthers: true}, ""},
		"applied":            {[]string{"passphrase", "p", "mode", "apply", "digest", "abcd"}, backup.Restoration{Apply: "abcd"}, "backup restored"},
		"applied, with rest": {[]string{"remove_others", "1", "passphrase", "p", "mode", "apply", "digest", "abcd"}, backup.Restoration{Apply: "abcd", RemoveOthers: true}, "backup restored"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			body, contentType := formOf(t, c.fields...)
			w := send(t, s, "POST", "/admin/api/restore", key, body, "Content-Type", contentType)
			var answer struct{ Plan backupform.Plan }
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if got := s.desk.wanted; got.Apply != c.want.Apply || got.RemoveOthers != c.want.RemoveOthers || got.Passphrase.Reveal() != "p" ||
				got.Actor != "api 192.0.2.1" || s.desk.file != "sealed\xff" {
				t.Errorf("asked for %+v with the file %q", got, s.desk.file)
			}
			if answer.Plan.Digest != "abcd" || answer.Plan.Applied != (c.want.Apply != "") || answer.Plan.Total(backupform.Add) != 2 {
				t.Errorf("answered %s", w.Body)
			}
			switch {
			case c.audit == "" && len(s.kept) > 0:
				t.Errorf("a plan is in the audit log: %v", s.kept)
			case c.audit != "" && (len(s.kept) != 1 || s.kept[0].GetAction() != c.audit || s.kept[0].GetDetails()["add"] != "2"):
				t.Errorf("the audit log has %v", s.kept)
			}
		})
	}
}

func TestRestoreRefusals(t *testing.T) {
	t.Parallel()
	changed := storeerr.Translate(rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT, "look at the plan again").GRPCStatus().Err())
	apply := []string{"passphrase", "p", "mode", "apply", "digest", "abcd"}
	for name, c := range map[string]struct {
		fields      []string
		err         error
		status      int
		param, kept string
	}{
		"another mode":         {[]string{"mode", "all"}, nil, 400, "mode", ""},
		"no digest":            {[]string{"mode", "apply"}, nil, 400, "digest", ""},
		"neither true or not":  {[]string{"remove_others", "perhaps"}, nil, 400, "remove_others", ""},
		"another plan by now":  {apply, changed, 412, "", ""},
		"the store went away":  {apply, chat.Errorf(chat.StoreUnavailable, "away"), 503, "", "backup restored in part"},
		"a plan, and it is so": {nil, chat.Errorf(chat.StoreUnavailable, "away"), 503, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			s.desk.err = c.err
			body, contentType := formOf(t, c.fields...)
			w := send(t, s, "POST", "/admin/api/restore", key, body, "Content-Type", contentType)
			_, message, param := errorCode(t, w.Body.Bytes())
			if w.Code != c.status || c.param != "" && param != c.param {
				t.Errorf("%d %s %v", w.Code, message, param)
			}
			kept := ""
			if len(s.kept) > 0 {
				kept = s.kept[0].GetAction()
			}
			if kept != c.kept {
				t.Errorf("the audit log has %q, want %q", kept, c.kept)
			}
		})
	}
	s := newStore()
	if w := send(t, s, "POST", "/admin/api/restore", key, "{}"); w.Code != http.StatusBadRequest {
		t.Errorf("no form: %d %s", w.Code, w.Body)
	}
	body, contentType := formOf(t)
	for _, path := range []string{"/admin/api/restore", "/admin/api/backup"} {
		if w := send(t, s, "POST", path, "Bearer wrong", body, "Content-Type", contentType); w.Code != http.StatusUnauthorized || s.desk.file != "" {
			t.Errorf("%s with a wrong key: %d", path, w.Code)
		}
	}
}
