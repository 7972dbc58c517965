package movein

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/foreign"
	"carousel.internal/gateway/internal/reqbody"
)

// Bounds of a form with files.
const (
	maxFiles = 1000
	maxForm  = foreign.MaxFile + 1<<20
)

// FileField is the field of a form that files are in. There may be several.
const FileField = "file"

// Files reads the files of a request: those of a form, or a body that is one file, called name.
// Errors are *chat.Error, or the context's.
func Files(w http.ResponseWriter, r *http.Request, name string) ([]foreign.File, error) {
	body, err := reqbody.ReadAll(w, r, maxForm)
	if err != nil {
		return nil, err
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return []foreign.File{{Name: name, Content: body}}, nil //nolint:nilerr // it is no form
	}
	boundary := params["boundary"]
	if boundary == "" || !reqbody.WholeForm(bytes.NewReader(body), int64(len(body)), boundary) {
		return nil, errForm
	}
	return filesOf(multipart.NewReader(bytes.NewReader(body), boundary))
}

var errForm = chat.Errorf(chat.InvalidRequest, "the form is damaged, or has more than %d files", maxFiles)

func filesOf(form *multipart.Reader) (files []foreign.File, err error) {
	for range maxFiles {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return files, nil
		case err != nil:
			return nil, errForm
		case part.FormName() != FileField:
			continue
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, errForm
		}
		files = append(files, foreign.File{Name: part.FileName(), Content: content})
	}
	return nil, errForm
}
