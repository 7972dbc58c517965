package movein_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/foreign"
	"carousel.internal/gateway/internal/movein"
)

func TestFilesOfARequest(t *testing.T) {
	t.Parallel()
	var form bytes.Buffer
	out := multipart.NewWriter(&form)
	for name, content := range map[string]string{"a.yaml": "one\xff"} {
		part, _ := out.CreateFormFile("file", name)
		_, _ = part.Write([]byte(content))
	}
	_ = out.WriteField("other", "not a file")
	_ = out.Close()
	for name, c := range map[string]struct {
		kind, body string
		want       []foreign.File
	}{
		"a form":         {out.FormDataContentType(), form.String(), []foreign.File{{Name: "a.yaml", Content: []byte("one\xff")}}},
		"a body":         {"application/octet-stream", "SQLite\x00", []foreign.File{{Name: "name", Content: []byte("SQLite\x00")}}},
		"a damaged form": {out.FormDataContentType(), form.String()[:100], nil},
		"one that is cut off behind a boundary": {
			out.FormDataContentType(), strings.TrimSuffix(strings.TrimSuffix(form.String(), "--\r\n")+"\r\n", "--"), nil,
		},
		"no boundary": {"multipart/form-data", form.String(), nil},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		got, err := movein.Files(httptest.NewRecorder(), r, "name")
		if diff := cmp.Diff(c.want, got); diff != "" || (err == nil) != (c.want != nil) {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}
