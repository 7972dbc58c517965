package upstreamsim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Form is what arrived of a multipart body. Answers to one have it as JSON for their text, so
// that a test can tell that every byte arrived.
type Form struct {
	Fields map[string][]string `json:"fields"`
	Files  []File              `json:"files"`
}

// File is a file of a Form.
type File struct {
	Field     string `json:"field"`
	Name      string `json:"name"`
	MediaType string `json:"media_type"`
	Bytes     int    `json:"bytes"`
	SHA256    string `json:"sha256"` // in hex
}

// value is a field's, or "".
func (f *Form) value(field string) string {
	if len(f.Fields[field]) == 0 {
		return ""
	}
	return f.Fields[field][0]
}

// of are the files of a field, which may be written as a list, "name[]".
func (f *Form) of(field string) []File {
	var files []File
	for _, file := range f.Files {
		if file.Field == field || file.Field == field+"[]" {
			files = append(files, file)
		}
	}
	return files
}

// readForm reads a multipart body to its last boundary.
func (c *sideCall) readForm() (*Form, *rejection) {
	if c.r.Method != http.MethodPost {
		return nil, misused("", "the method is %s instead of POST", c.r.Method)
	}
	kind, parameters, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	switch {
	case err != nil || kind != "multipart/form-data":
		return nil, misused("", "the content-type is %q instead of multipart/form-data", c.r.Header.Get("Content-Type"))
	case parameters["boundary"] == "":
		return nil, misused("", "Could not parse multipart form: there is no boundary in the content-type")
	}
	if end := "--" + parameters["boundary"] + "--"; !bytes.HasSuffix(bytes.TrimRight(c.body, "\r\n"), []byte(end)) {
		return nil, misused("", "Could not parse multipart form: the body of %d bytes does not end with the boundary", len(c.body))
	}
	form := &Form{Fields: map[string][]string{}, Files: []File{}}
	reader := multipart.NewReader(bytes.NewReader(c.body), parameters["boundary"])
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return form, nil
		}
		if err == nil {
			err = form.add(part)
		}
		if err != nil {
			return nil, misused("", "Could not parse multipart form: %v", err)
		}
	}
}

func (f *Form) add(part *multipart.Part) error {
	disposition, parameters, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil || disposition != "form-data" || parameters["name"] == "" {
		return errors.New("a part without a name")
	}
	field := parameters["name"]
	if encoding := part.Header.Get("Content-Transfer-Encoding"); encoding != "" && encoding != "binary" && encoding != "8bit" {
		return fmt.Errorf("the part %s has the content-transfer-encoding %s", field, encoding)
	}
	data, err := io.ReadAll(part)
	if err != nil {
		return err
	}
	if name, isFile := parameters["filename"]; isFile {
		sum := sha256.Sum256(data)
		f.Files = append(f.Files, File{field, name, part.Header.Get("Content-Type"), len(data), hex.EncodeToString(sum[:])})
		return nil
	}
	if !utf8.Valid(data) {
		return fmt.Errorf("the field %s is not UTF-8", field)
	}
	if len(f.Fields[field]) > 0 && !strings.HasSuffix(field, "[]") {
		return fmt.Errorf("the field %s is there twice", field)
	}
	f.Fields[field] = append(f.Fields[field], string(data))
	return nil
}

// integer reads a field that is a number, where it is there.
func (f *Form) integer(field string, least, most int) (*int, *rejection) {
	text := f.value(field)
	if text == "" {
		return nil, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		return nil, wrongType(field, "an integer", "a string")
	}
	return &number, integerWithin(field, &number, least, most)
}

// truth reads a field that is true or false.
func (f *Form) truth(field string) (bool, *rejection) {
	switch text := f.value(field); text {
	case "true", "True", "1":
		return true, nil
	case "", "false", "False", "0":
		return false, nil
	default:
		return false, wrongType(field, "a boolean", "a string")
	}
}

// oneOf checks a field that is there against what it may be.
func (f *Form) oneOf(field string, values ...string) *rejection {
	if text := f.value(field); text != "" && !slices.Contains(values, text) {
		return wrongValue(field, text, values...)
	}
	return nil
}
