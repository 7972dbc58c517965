package backupcli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/backupcli"
	"carousel.internal/gateway/internal/backupform"
	"carousel.internal/proto/service/secret"
)

func TestMake(t *testing.T) {
	t.Parallel()
	call := func(_ context.Context, method, path string, header http.Header, body []byte) ([]byte, http.Header, error) {
		var asked struct{ Passphrase string }
		if err := json.Unmarshal(body, &asked); err != nil || method != http.MethodPost || path != "backup" || header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v %s", method, path, header, body)
		}
		return []byte("sealed with " + asked.Passphrase), http.Header{"X-Carousel-Unreadable-Tokens": {"t1,t2"}}, nil
	}
	file, lacks, err := backupcli.Make(t.Context(), call, secret.New("correct horse"))
	if err != nil || string(file) != "sealed with correct horse" || !slices.Equal(lacks.Tokens, []string{"t1", "t2"}) || len(lacks.Upstreams) > 0 {
		t.Errorf("%q without %v, %v", file, lacks, err)
	}
	if _, _, err := backupcli.Make(t.Context(), nil, secret.New("short")); err == nil || !strings.Contains(err.Error(), "at least 12 characters") {
		t.Errorf("a weak passphrase: %v", err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.backup.age")
	if err := backupcli.Save(path, []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	if err := backupcli.Save(path, []byte("other")); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("over another file: %v", err)
	}
	if file, err := backupcli.Load(path); err != nil || string(file) != "sealed" {
		t.Errorf("%q, %v", file, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v", left, err)
	}
	if _, err := backupcli.Load(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// gateway reads the form of a restore and answers with a plan.
func gateway(t *testing.T, fields map[string]string) backupcli.Call {
	t.Helper()
	return func(_ context.Context, method, path string, header http.Header, body []byte) ([]byte, http.Header, error) {
		_, params, err := mime.ParseMediaType(header.Get("Content-Type"))
		if err != nil || method != http.MethodPost || path != "restore" {
			t.Errorf("%s %s %v", method, path, header)
		}
		form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
		for {
			part, err := form.NextPart()
			if errors.Is(err, io.EOF) {
				answer, err := json.Marshal(map[string]any{"plan": backupform.Plan{Digest: "abcd", Applied: fields["mode"] == "apply"}})
				return answer, nil, err
			}
			if err != nil {
				return nil, nil, err
			}
			text, err := io.ReadAll(part)
			if err != nil {
				return nil, nil, err
			}
			fields[part.FormName()] = string(text)
		}
	}
}

func TestPlanAndApply(t *testing.T) {
	t.Parallel()
	fields := map[string]string{}
	wanted := backupcli.Restoration{File: []byte("sealed\xff"), Passphrase: secret.New("p"), RemoveOthers: true}
	plan, err := backupcli.Plan(t.Context(), gateway(t, fields), wanted)
	if err != nil || plan.Digest != "abcd" || plan.Applied {
		t.Fatalf("%+v, %v", plan, err)
	}
	if fields["mode"] != "plan" || fields["passphrase"] != "p" || fields["remove_others"] != "true" || fields["file"] != "sealed\xff" {
		t.Errorf("asked with %v", fields)
	}
	if plan, err = backupcli.Apply(t.Context(), gateway(t, fields), wanted, plan); err != nil || !plan.Applied || fields["digest"] != "abcd" {
		t.Errorf("%+v, %v, asked with %v", plan, err, fields)
	}
	away := func(context.Context, string, string, http.Header, []byte) ([]byte, http.Header, error) {
		return nil, nil, io.ErrClosedPipe
	}
	if _, err := backupcli.Plan(t.Context(), away, wanted); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a refusal: %v", err)
	}
	odd := func(context.Context, string, string, http.Header, []byte) ([]byte, http.Header, error) {
		return []byte("{}"), nil, nil
	}
	if _, err := backupcli.Plan(t.Context(), odd, wanted); err == nil {
		t.Error("an answer without a plan is taken for one")
	}
}

func TestHowAPlanIsShown(t *testing.T) {
	t.Parallel()
	plan := backupform.Plan{
		Counts: []backupform.Count{{Kind: "token", Action: backupform.Add, Count: 3}, {Kind: "token", Action: backupform.Same, Count: 7}, {Kind: "page", Action: backupform.Keep, Count: 1}},
		Items:  []backupform.Item{{Kind: "token", Action: backupform.Add, Name: "cursor: work"}, {Kind: "page", Action: backupform.Keep, Name: "/", Detail: "d"}},
	}
	want := [][]string{{"add", "token", "cursor: work", ""}, {"keep", "page", "/", "d"}, {"add", "token", "and 2 more", ""}}
	if got := backupcli.Rows(plan); !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("rows %q, want %q", got, want)
	}
	if got := backupcli.Summary(plan); got != "3 to add, 7 the same, 1 only here, kept" {
		t.Errorf("planned: %s", got)
	}
	plan.Applied = true
	if got := backupcli.Summary(plan); got != "3 added, 7 the same, 1 only here, kept" {
		t.Errorf("done: %s", got)
	}
	if got := backupcli.Summary(backupform.Plan{}); got != "the backup is empty" {
		t.Errorf("empty: %s", got)
	}
}
