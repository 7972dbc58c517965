package backup

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"carousel.internal/gateway/internal/backupform"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/reqbody"
)

const (
	// FileField is the form's field with the file.
	FileField = "file"
	// SealedField is one with the same in base64.
	SealedField = "sealed"
	// MaxSealed bounds a file that is sent in base64, in bytes.
	MaxSealed = 2 << 20
	// maxFields and maxField bound the other fields of a form, in number and bytes.
	maxFields = 16
	maxField  = 4 << 10
	// maxForm bounds a form with a file.
	maxForm = backupform.MaxFile + 64<<10
)

// Uploads reads forms with files of backups, large ones by way of the disk.
type Uploads struct{ spooler *reqbody.Spooler }

// NewUploads makes one. One file of the largest size is taken at a time: in a container the folder
// of temporary files lies in memory.
func NewUploads() *Uploads { return &Uploads{reqbody.NewSpooler("", maxForm)} }

// Upload is a form with the file of a backup.
type Upload struct {
	fields   map[string]string
	body     *reqbody.Spooled
	boundary string
	hasFile  bool
}

// Read reads a whole form. Who has it closes it. Errors are *chat.Error, or the context's.
func (u *Uploads) Read(w http.ResponseWriter, r *http.Request) (*Upload, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, chat.Errorf(chat.InvalidRequest, "a form with a file wanted: Content-Type multipart/form-data, with a boundary")
	}
	body, err := u.spooler.Read(w, r, maxForm)
	if err != nil {
		return nil, err
	}
	form := &Upload{fields: map[string]string{}, body: body, boundary: params["boundary"]}
	if err := form.readFields(); err != nil {
		return nil, errors.Join(err, form.Close())
	}
	return form, nil
}

// Close lets go of the form.
func (u *Upload) Close() error { return u.body.Close() }

// Value is a field's text; empty where there is none.
func (u *Upload) Value(name string) string { return u.fields[name] }

// parts begins to read the form.
func (u *Upload) parts() *multipart.Reader {
	return multipart.NewReader(io.NewSectionReader(u.body, 0, u.body.Size), u.boundary)
}

var errForm = chat.Errorf(chat.InvalidRequest, "the form is damaged or cut off, or has too many or too long fields")

// readFields reads all but the file.
func (u *Upload) readFields() error {
	if !reqbody.WholeForm(u.body, u.body.Size, u.boundary) {
		return errForm
	}
	parts := u.parts()
	for range maxFields {
		part, err := parts.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errForm
		case part.FormName() == FileField:
			u.hasFile = true
			continue
		}
		most := maxField
		if part.FormName() == SealedField {
			most = base64.StdEncoding.EncodedLen(MaxSealed)
		}
		text, err := io.ReadAll(io.LimitReader(part, int64(most)+1))
		if err != nil || len(text) > most {
			return errForm
		}
		u.fields[part.FormName()] = string(text)
	}
	return errForm
}

// File is the file.
func (u *Upload) File() (io.Reader, error) {
	if text := u.fields[SealedField]; text != "" {
		file, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, refusal(SealedField, errors.New("a file in base64 wanted"))
		}
		return bytes.NewReader(file), nil
	}
	parts := u.parts()
	for u.hasFile {
		part, err := parts.NextPart()
		if err != nil {
			return nil, errForm
		}
		if part.FormName() == FileField {
			return part, nil
		}
	}
	return nil, refusal(FileField, errors.New("the file of a backup is missing"))
}

// Sealed is the file in base64, for a form that sends it again; empty where it is too large for
// that.
func (u *Upload) Sealed() string {
	file, err := u.File()
	if err != nil {
		return ""
	}
	content, err := io.ReadAll(io.LimitReader(file, MaxSealed+1))
	if err != nil || len(content) > MaxSealed {
		return ""
	}
	return base64.StdEncoding.EncodeToString(content)
}
