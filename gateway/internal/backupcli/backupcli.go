// Package backupcli is what the commands `backup` and `restore` do: calls of the admin API, and
// files. How commands are read and plans are printed is for others.
package backupcli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/backupform"
	"carousel.internal/proto/service/secret"
)

// Call calls the admin API: path is below /admin/api/. An answer that is no success is an error in
// the API's own words.
type Call func(ctx context.Context, method, path string, header http.Header, body []byte) (answer []byte, told http.Header, err error)

// Make has a backup made and returns the sealed file, and what it lacks because the store can't
// read it: of each kind the first names.
func Make(ctx context.Context, call Call, passphrase secret.Value) ([]byte, backupform.Unreadable, error) {
	var lacks backupform.Unreadable
	if err := backupform.CheckPassphrase(passphrase.Reveal()); err != nil {
		return nil, lacks, fmt.Errorf("the passphrase: %w", err)
	}
	body, err := json.Marshal(map[string]string{"passphrase": passphrase.Reveal()})
	if err != nil {
		return nil, lacks, fmt.Errorf("ask for a backup: %w", err)
	}
	file, told, err := call(ctx, http.MethodPost, "backup", http.Header{"Content-Type": {"application/json"}}, body)
	lacks.Tokens, lacks.Upstreams = names(told, "X-Carousel-Unreadable-Tokens"), names(told, "X-Carousel-Unreadable-Upstreams")
	lacks.Destinations = names(told, "X-Carousel-Unreadable-Destinations")
	return file, lacks, err
}

// names are those in a header.
func names(told http.Header, header string) []string {
	return strings.FieldsFunc(told.Get(header), func(r rune) bool { return r == ',' })
}

// Lacks says what a backup lacks because the store couldn't read it; empty: nothing.
func Lacks(unreadable backupform.Unreadable) string {
	var parts []string
	if len(unreadable.Tokens) > 0 {
		parts = append(parts, "tokens "+strings.Join(unreadable.Tokens, ", "))
	}
	if len(unreadable.Upstreams) > 0 {
		parts = append(parts, "upstreams "+strings.Join(unreadable.Upstreams, ", "))
	}
	if len(unreadable.Destinations) > 0 {
		parts = append(parts, "destinations "+strings.Join(unreadable.Destinations, ", "))
	}
	if len(parts) == 0 {
		return ""
	}
	return "not in the backup, because the store could not read it when it was made: " + strings.Join(parts, "; ")
}

// Save writes a backup to a new file, which only its owner can read: whole, or not at all. One that
// is there already stays as it is.
func Save(path string, file []byte) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".carousel-backup-*")
	if err != nil {
		return fmt.Errorf("the backup can't be written: %w", err)
	}
	defer func() { err = errors.Join(err, removed(temporary.Name())) }()
	_, err = temporary.Write(file)
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err != nil {
		return fmt.Errorf("the backup can't be written: %w", err)
	}
	switch err := os.Link(temporary.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("there is a file %s already: name another one, or move it away", path)
	case err != nil:
		return fmt.Errorf("the backup can't be written: %w", err)
	}
	return nil
}

func removed(path string) error {
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("a temporary file is left: %w", err)
	}
	return nil
}

// Load reads a backup.
func Load(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the backup can't be read: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	return Read(file)
}

// Read is Load from standard input.
func Read(from io.Reader) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(from, backupform.MaxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the backup can't be read: %w", err)
	case len(content) > backupform.MaxFile:
		return nil, fmt.Errorf("the file has more than %d MiB: it is no backup", backupform.MaxFile>>20)
	}
	return content, nil
}

// Restoration is what is to be restored.
type Restoration struct {
	File       []byte
	Passphrase secret.Value
	// RemoveOthers: what the backup doesn't have is removed; else it is kept.
	RemoveOthers bool
}

// Plan returns what restoring it would change.
func Plan(ctx context.Context, call Call, wanted Restoration) (backupform.Plan, error) {
	return restore(ctx, call, wanted, map[string]string{"mode": "plan"})
}

// Apply carries a plan out, if the restore would still change the same, and returns what was done.
func Apply(ctx context.Context, call Call, wanted Restoration, plan backupform.Plan) (backupform.Plan, error) {
	return restore(ctx, call, wanted, map[string]string{"mode": "apply", "digest": plan.Digest})
}

func restore(ctx context.Context, call Call, wanted Restoration, fields map[string]string) (backupform.Plan, error) {
	fields["passphrase"], fields["remove_others"] = wanted.Passphrase.Reveal(), strconv.FormatBool(wanted.RemoveOthers)
	body, contentType, err := form(wanted.File, fields)
	if err != nil {
		return backupform.Plan{}, fmt.Errorf("ask for a restore: %w", err)
	}
	text, _, err := call(ctx, http.MethodPost, "restore", http.Header{"Content-Type": {contentType}}, body)
	if err != nil {
		return backupform.Plan{}, err
	}
	var answer struct {
		Plan *backupform.Plan `json:"plan"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Plan == nil {
		return backupform.Plan{}, errors.New("the gateway's answer can't be read: it has no plan")
	}
	return *answer.Plan, nil
}

func form(file []byte, fields map[string]string) (body []byte, contentType string, err error) {
	var text bytes.Buffer
	out := multipart.NewWriter(&text)
	for name, value := range fields {
		if err := out.WriteField(name, value); err != nil {
			return nil, "", err
		}
	}
	part, err := out.CreateFormFile("file", "backup.age")
	if err == nil {
		_, err = part.Write(file)
	}
	if err == nil {
		err = out.Close() // writes the form's end
	}
	return text.Bytes(), out.FormDataContentType(), err
}

// Heads are those of the columns of Rows.
var Heads = []string{"ACTION", "KIND", "NAME", "DETAIL"}

// Rows are the things of a plan, for a table. Those that are not listed are counted.
func Rows(plan backupform.Plan) [][]string {
	rows, listed := make([][]string, 0, len(plan.Items)), map[[2]string]uint32{}
	for _, each := range plan.Items {
		rows = append(rows, []string{each.Action, each.Kind, each.Name, each.Detail})
		listed[[2]string{each.Kind, each.Action}]++
	}
	for _, each := range plan.Counts {
		if more := each.Count - listed[[2]string{each.Kind, each.Action}]; more > 0 && each.Action != backupform.Same {
			rows = append(rows, []string{each.Action, each.Kind, fmt.Sprintf("and %d more", more), ""})
		}
	}
	return rows
}

// Summary is the plan in one line.
func Summary(plan backupform.Plan) string {
	words := [...]struct{ action, planned, done string }{
		{backupform.Add, "to add", "added"},
		{backupform.Change, "to change", "changed"},
		{backupform.Remove, "to remove", "removed"},
		{backupform.Same, "the same", "the same"},
		{backupform.Keep, "only here, kept", "only here, kept"},
		{backupform.Refuse, "refused", "refused"},
	}
	var parts []string
	for _, each := range words {
		word := each.planned
		if plan.Applied {
			word = each.done
		}
		if total := plan.Total(each.action); total > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", total, word))
		}
	}
	if len(parts) == 0 {
		return "the backup is empty"
	}
	return strings.Join(parts, ", ")
}
