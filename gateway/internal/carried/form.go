package carried

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/textproto"
	"strings"
	"unicode"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
)

const (
	// maxBoundary is more than the standard's 70 characters.
	maxBoundary = 200
	// maxParts, maxPartHeader and maxField bound what reading a form costs: the parts, the
	// headers of one, and the value of one that is read, in bytes.
	maxParts      = 1000
	maxPartHeader = 16 << 10
	maxField      = 64 << 10
)

// ReadForm reads a request whose body is a form with files. The source stays in use as
// long as the request. Errors are *chat.Error.
func ReadForm(route *Route, client http.Header, source io.ReaderAt, size int64) (*Request, error) {
	contentType := client.Get("Content-Type")
	_, params, _ := mime.ParseMediaType(contentType)
	boundary := params["boundary"]
	if boundary == "" || len(boundary) > maxBoundary {
		return nil, chat.Errorf(chat.InvalidRequest, "the Content-Type multipart/form-data needs a boundary, of at most %d characters", maxBoundary)
	}
	r := &Request{Route: route, Header: headerOf(client, contentType), source: source, size: size}
	r.written = func(model string) []byte { return []byte(model) }
	f := form{source: source, size: size, dash: []byte("--" + boundary), window: make([]byte, windowBytes)}
	err := f.each(func(name string, header textproto.MIMEHeader, value span) error {
		return r.field(&f, name, header, value)
	})
	if err != nil {
		return nil, err
	}
	return r, r.validate()
}

// field takes note of a part of the form.
func (r *Request) field(f *form, name string, header textproto.MIMEHeader, value span) error {
	switch name {
	case "model":
		if len(r.names) > 0 {
			return badModel("`model` is in the form twice: name one model")
		}
		model, whole, err := f.text(value)
		switch encoding := header.Get("Content-Transfer-Encoding"); {
		case err != nil:
			return err
		case !plainEncodings[strings.ToLower(encoding)]:
			return badModel("`model` is packed with the Content-Transfer-Encoding %q: it must be plain text", chat.Cut(encoding, maxQuoted))
		case !whole || !isName(model) || strings.Contains(model, string(f.dash)):
			return badModel("`model` must be the name of a model, without control characters and without the form's boundary")
		}
		r.Model = model
		if model != "" {
			r.names = append(r.names, value)
		}
	case "stream":
		text, _, err := f.text(value)
		r.Stream = strings.EqualFold(text, "true") || text == "1"
		return err
	case "user":
		text, _, err := f.text(value)
		r.User = text
		return err
	case r.Route.Prompt:
		text, _, err := f.text(value)
		r.Prompt = strings.ToValidUTF8(text, "\uFFFD")
		return err
	}
	return nil
}

// maxQuoted bounds what an error quotes, in bytes.
const maxQuoted = 100

// plainEncodings are those that leave a text as it is.
var plainEncodings = map[string]bool{"": true, "7bit": true, "8bit": true, "binary": true}

// isName tells whether a text can stand in a form's part as it is.
func isName(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, unicode.IsControl) < 0
}

// windowBytes is how much of a form is looked at at once.
const windowBytes = 64 << 10

// form walks over the parts of a form.
type form struct {
	source io.ReaderAt
	size   int64
	// dash is what a delimiter begins with, behind the line break that belongs to it.
	dash   []byte
	window []byte
}

// each visits the parts in order, with where their values stand.
func (f *form) each(visit func(name string, header textproto.MIMEHeader, value span) error) error {
	at, newline, err := f.begin()
	if err != nil {
		return err
	}
	delimiter := append([]byte(newline), f.dash...)
	for range maxParts {
		header, body, err := f.header(at, newline)
		if err != nil {
			return err
		}
		end, next, last, err := f.end(body, delimiter, newline)
		if err != nil {
			return err
		}
		disposition, params, _ := mime.ParseMediaType(header.Get("Content-Disposition"))
		if disposition == "form-data" {
			if err := visit(params["name"], header, span{body, end}); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
		at = next
	}
	return chat.Errorf(chat.PayloadTooLarge, "the form has more than %d parts", maxParts)
}

// begin finds the first part, and what the form breaks its lines with.
func (f *form) begin() (at int64, newline string, err error) {
	for from := int64(0); ; {
		at, err = f.find(from, f.dash)
		if err != nil {
			return 0, "", err
		}
		before, err := f.read(max(at-1, 0), min(at, 1))
		if err != nil {
			return 0, "", err
		}
		after := at + int64(len(f.dash))
		from = after
		if len(before) > 0 && before[0] != '\n' {
			continue
		}
		for _, newline := range []string{"\r\n", "\n"} {
			if next, last, ok, err := f.rest(after, newline); err != nil || ok {
				if last {
					err = chat.Errorf(chat.InvalidRequest, "the form is empty")
				}
				return next, newline, err
			}
		}
	}
}

// rest reads what stands behind the dash of a delimiter to the end of its line; not ok:
// it is no delimiter.
func (f *form) rest(after int64, newline string) (next int64, last, ok bool, err error) {
	line, err := f.read(after, maxPadding)
	if err != nil {
		return 0, false, false, err
	}
	if bytes.HasPrefix(line, []byte("--")) {
		return 0, true, true, nil
	}
	padding := len(line) - len(bytes.TrimLeft(line, " \t"))
	if !bytes.HasPrefix(line[padding:], []byte(newline)) {
		return 0, false, false, nil
	}
	return after + int64(padding+len(newline)), false, true, nil
}

// maxPadding bounds the white space behind a delimiter.
const maxPadding = 64

// header reads the headers of the part that begins at an offset, and tells where its
// value does.
func (f *form) header(at int64, newline string) (header textproto.MIMEHeader, body int64, err error) {
	head, err := f.read(at, maxPartHeader)
	if err != nil {
		return nil, 0, err
	}
	if bytes.HasPrefix(head, []byte(newline)) {
		return nil, at + int64(len(newline)), nil
	}
	blank := []byte(newline + newline)
	length := bytes.Index(head, blank)
	if length < 0 {
		return nil, 0, chat.Errorf(chat.InvalidRequest, "the headers of a part of the form do not end, or are larger than %d KiB", maxPartHeader>>10)
	}
	length += len(blank)
	lines := bufio.NewReader(bytes.NewReader(head[:length]))
	header, err = textproto.NewReader(lines).ReadMIMEHeader()
	if err != nil || lines.Buffered() > 0 { // a blank line of another kind: readers would differ on where the value begins
		return nil, 0, chat.Errorf(chat.InvalidRequest, "the headers of a part of the form can't be read")
	}
	return header, at + int64(length), nil
}

// end finds where the value ends that begins at body, and where the part after it begins.
func (f *form) end(body int64, delimiter []byte, newline string) (end, next int64, last bool, err error) {
	// The line break of the blank line before an empty value may be the delimiter's.
	if head, err := f.read(body, int64(len(f.dash))); err != nil {
		return 0, 0, false, err
	} else if bytes.Equal(head, f.dash) {
		if next, last, ok, err := f.rest(body+int64(len(f.dash)), newline); err != nil || ok {
			return body, next, last, err
		}
	}
	for from := body; ; {
		at, err := f.find(from, delimiter)
		if err != nil {
			return 0, 0, false, err
		}
		after := at + int64(len(delimiter))
		if next, last, ok, err := f.rest(after, newline); err != nil || ok {
			return at, next, last, err
		}
		from = at + 1
	}
}

// find looks for a needle from an offset on.
func (f *form) find(from int64, needle []byte) (int64, error) {
	for from < f.size {
		part, err := f.read(from, windowBytes)
		if err != nil {
			return 0, err
		}
		if at := bytes.Index(part, needle); at >= 0 {
			return from + int64(at), nil
		}
		if len(part) < len(needle) || from+int64(len(part)) == f.size {
			break
		}
		from += int64(len(part) - len(needle) + 1) // it may be cut in two
	}
	return 0, chat.Errorf(chat.InvalidRequest, "the form ends early: the boundary that its Content-Type names does not end it")
}

// read returns what stands at an offset: so many bytes, or as many as there are. They
// are valid until the next call.
func (f *form) read(at, length int64) ([]byte, error) {
	length = max(min(length, f.size-at, windowBytes), 0)
	n, err := f.source.ReadAt(f.window[:length], at)
	if int64(n) < length {
		return nil, &chat.Error{Kind: chat.Internal, Message: "internal error; the request id finds it in the log", Err: err}
	}
	return f.window[:n], nil
}

// text is the value of a part, and whether that is all of it.
func (f *form) text(value span) (text string, whole bool, err error) {
	length := value.to - value.from
	data, err := f.read(value.from, min(length, maxField))
	return string(data), length <= maxField, err
}
