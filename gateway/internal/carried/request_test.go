package carried

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
)

func route(t testing.TB, name string) *Route {
	t.Helper()
	for _, r := range Routes() {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("there is no route %s", name)
	return nil
}

func sent(t testing.TB, body Body) string {
	t.Helper()
	data, err := io.ReadAll(body.Open())
	if err != nil || int64(len(data)) != body.Length {
		t.Fatalf("%d bytes of %d, %v", len(data), body.Length, err)
	}
	again, err := io.ReadAll(iotest.OneByteReader(body.Open()))
	if err != nil || !bytes.Equal(data, again) {
		t.Fatalf("the second time it differs: %v", err)
	}
	return string(data)
}

// Of JSON nothing changes but the model's name.
func TestReadJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, route, body string
		want              Request
		sent              string // with the name "m/2"
	}{
		{
			"the rest stays, whatever it is", "completions", ` {"prompt" : [1,2],"seed":12345678901234567890, "model":"a" ,"x":1e400,"suffix":"\ud800"} `,
			Request{Model: "a", Prompt: "[1,2]"},
			` {"prompt" : [1,2],"seed":12345678901234567890, "model":"m/2" ,"x":1e400,"suffix":"\ud800"} `,
		},
		{
			"a name with escapes, twice", "completions", `{"model":"x","mod\u0065l":"\u0061b","stream":true,"user":"u","prompt_cache_key":"k"}`,
			Request{Model: "ab", Stream: true, User: "u", Session: "k"},
			`{"model":"m/2","mod\u0065l":"m/2","stream":true,"user":"u","prompt_cache_key":"k"}`,
		},
		{
			"the form of vectors", "embeddings", `{"model":"e","input":"hi","encoding_format":"base64"}`,
			Request{Model: "e", Vectors: "base64", Prompt: "hi"},
			`{"model":"m/2","input":"hi","encoding_format":"base64"}`,
		},
		{"numbers for vectors", "embeddings", `{"model":"e","encoding_format":null}`, Request{Model: "e", Vectors: "float"}, `{"model":"m/2","encoding_format":null}`},
		{"no model", "moderations", `{"input":"x"}`, Request{Prompt: "x"}, `{"input":"x"}`},
		{"null for a model", "moderations", `{"model":null,"input":"x"}`, Request{Prompt: "x"}, `{"model":null,"input":"x"}`},
		{"an odd stream is for the upstream to judge", "completions", `{"model":"a","stream":"yes"}`, Request{Model: "a"}, `{"model":"m/2","stream":"yes"}`},
		{"speech as a stream", "audio/speech", `{"model":"a","stream_format":"sse"}`, Request{Model: "a", Stream: true}, `{"model":"m/2","stream_format":"sse"}`},
		{"a byte order mark", "completions", "\xef\xbb\xbf{\"model\":\"a\"}", Request{Model: "a"}, `{"model":"m/2"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadJSON(route(t, c.route), http.Header{}, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, c.want)
			if body := sent(t, got.Body("m/2")); body != c.sent {
				t.Errorf("sent %s", body)
			}
			if body := sent(t, got.Body(got.Model)); body != strings.TrimPrefix(c.body, "\xef\xbb\xbf") {
				t.Errorf("with its own name: %s", body)
			}
		})
	}
}

func same(t *testing.T, got *Request, want Request) {
	t.Helper()
	if got.Model != want.Model || got.Stream != want.Stream || got.User != want.User || got.Session != want.Session ||
		got.Prompt != want.Prompt || got.Vectors != want.Vectors {
		t.Errorf("got model %q, stream %t, user %q, session %q, prompt %q, vectors %q",
			got.Model, got.Stream, got.User, got.Session, got.Prompt, got.Vectors)
	}
}

func TestReadJSONRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, param, says string }{
		{"no model", `{"input":"x"}`, "model", "`model` is missing"},
		{"an empty model", `{"model":""}`, "model", "`model` is missing"},
		{"a model that is no name", `{"model":["a"]}`, "model", "must be a string, but is an array"},
		{"a list", `[]`, "", "must be a JSON object"},
		{"nothing", ``, "", "is empty"},
		{"half an object", `{"model":"a"`, "", "not valid JSON"},
		{"a bad name", `{"model":"a\x"}`, "", "not valid JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := ReadJSON(route(t, "embeddings"), http.Header{}, []byte(c.body))
			refused(t, err, c.param, c.says)
		})
	}
}

func refused(t *testing.T, err error, param, says string) {
	t.Helper()
	failure := chat.AsError(err)
	if failure == nil || failure.Kind != chat.InvalidRequest || failure.Param != param || !strings.Contains(failure.Message, says) {
		t.Errorf("%v (param %q)", err, failure.Param)
	}
}

// Headers that name an account, or the client, stay here.
func TestHeadersThatGoAlong(t *testing.T) {
	t.Parallel()
	client := http.Header{
		"Authorization": {"Bearer admin"}, "Openai-Organization": {"org"}, "Cookie": {"c"}, "User-Agent": {"u"}, "Content-Length": {"7"},
		"Accept": {"audio/mpeg"}, "Idempotency-Key": {"k"}, "Openai-Beta": {"b"}, "Content-Type": {"application/json; charset=utf-8"},
	}
	got, err := ReadJSON(route(t, "moderations"), client, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	want := http.Header{"Accept": {"audio/mpeg"}, "Idempotency-Key": {"k"}, "Openai-Beta": {"b"}, "Content-Type": {"application/json"}}
	if len(got.Header) != len(want) {
		t.Errorf("%v", got.Header)
	}
	for name := range want {
		if got.Header.Get(name) != want.Get(name) {
			t.Errorf("%s: %q", name, got.Header.Get(name))
		}
	}
}

const formType = `multipart/form-data; boundary="b 1"`

func readForm(t testing.TB, body string) (*Request, error) {
	t.Helper()
	return ReadForm(route(t, "audio/transcriptions"), http.Header{"Content-Type": {formType}}, strings.NewReader(body), int64(len(body)))
}

// file has what a text would not: nulls, broken UTF-8, and the boundary where it ends
// nothing.
var file = "\x00\xff\xfe\r\n--b 2\r\n--b 1x\r\n\n--b 1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nno\r\n--b"

const (
	filePart  = "--b 1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\u00fc\\\"1.mp3\"\r\nContent-Type: audio/mpeg\r\nX-Odd:  1\r\n\r\n"
	modelPart = "--b 1\r\ncontent-disposition: form-data; name=model\r\n\r\n"
)

// Of a form nothing changes but the value of its model: traps 74 and 76.
func TestReadForm(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("\x00\r\n--b 1", windowBytes/8) + file
	for _, c := range []struct{ name, before, model, after string }{
		{"the model first", modelPart, "whisper-1", "\r\n" + filePart + file + "\r\n--b 1--\r\n"},
		{"the model last", filePart + file + "\r\n" + modelPart, "whisper-1", "\r\n--b 1--"},
		{"behind a large file", filePart + large + "\r\n" + modelPart, "whisper-1", "\r\n--b 1--\r\n"},
		{"white space behind boundaries, text around", "preamble\r\n" + strings.Replace(modelPart, "\r\n", " \t\r\n", 1), "w", "\r\n--b 1-- \r\nepilogue"},
		{"an empty part before, without its own line break", "--b 1\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" + modelPart, "w", "\r\n--b 1--\r\n"},
		{"a part without headers", "--b 1\r\n\r\nx\r\n" + modelPart, "w", "\r\n--b 1--\r\n"},
		{"bare line feeds", strings.ReplaceAll(modelPart, "\r\n", "\n"), "w", "\n--b 1--\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := readForm(t, c.before+c.model+c.after)
			if err != nil {
				t.Fatal(err)
			}
			if got.Model != c.model || got.Header.Get("Content-Type") != formType {
				t.Errorf("model %q, %v", got.Model, got.Header)
			}
			for _, name := range []string{c.model, "gpt-4o-transcribe", "a"} {
				if body := sent(t, got.Body(name)); body != c.before+name+c.after {
					t.Errorf("as %s: %q", name, body)
				}
			}
		})
	}
}

// A delimiter may be cut anywhere by what is looked at at once.
func TestReadFormAcrossWindows(t *testing.T) {
	t.Parallel()
	for size := windowBytes - len(filePart) - 2*len(modelPart); size < windowBytes+4; size++ {
		before := filePart + strings.Repeat("\r", size) + "\r\n" + modelPart
		got, err := readForm(t, before+"m\r\n--b 1--")
		if err != nil || got.Model != "m" || got.names[0].from != int64(len(before)) {
			t.Fatalf("%d bytes: %v", size, err)
		}
	}
}

func TestReadFormTellsMore(t *testing.T) {
	t.Parallel()
	got, err := readForm(t, modelPart+"w\r\n--b 1\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\nTrue\r\n"+
		"--b 1\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nsay\xff\r\n--b 1\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nu\r\n--b 1--")
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, Request{Model: "w", Stream: true, User: "u", Prompt: "say\uFFFD"})
}

func TestReadFormRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, param, says string }{
		{"no model", filePart + "x\r\n--b 1--", "model", "`model` is missing"},
		{"two models", modelPart + "a\r\n" + modelPart + "b\r\n--b 1--", "model", "twice"},
		{"a model in lines", modelPart + "a\r\nb\r\n--b 1--", "model", "control characters"},
		{"a model that ends the form", modelPart + "up/--b 1\r\n--b 1--", "model", "boundary"},
		{"a packed model", "--b 1\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\n--b 1--", "model", "plain text"},
		{"no end", modelPart + "a\r\n--b 1", "", "ends early"},
		{"another boundary", "--c\r\n\r\n\r\n--c--", "", "ends early"},
		{"headers without an end", "--b 1\r\n" + strings.Repeat("x", maxPartHeader), "", "do not end"},
		{"headers that are none", "--b 1\r\nnothing\r\n\r\nx\r\n--b 1--", "", "can't be read"},
		{"headers that end in two ways", "--b 1\r\nContent-Disposition: form-data; name=\"model\"\n\nx\r\n\r\ny\r\n--b 1--", "", "can't be read"},
		{"nothing", "", "", "ends early"},
		{"no part", "--b 1--\r\n", "", "empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := readForm(t, c.body)
			refused(t, err, c.param, c.says)
		})
	}
	_, err := readForm(t, strings.Repeat("--b 1\r\n\r\n\r\n", maxParts+1)+"--b 1--")
	if failure := chat.AsError(err); failure == nil || failure.Kind != chat.PayloadTooLarge {
		t.Errorf("too many parts: %v", err)
	}
	_, err = ReadForm(route(t, "images/edits"), http.Header{"Content-Type": {"multipart/form-data"}}, strings.NewReader(""), 0)
	refused(t, err, "", "needs a boundary")
}

func TestIsForm(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]bool{
		formType: true, "Multipart/Form-Data; boundary=x": true, "multipart/form-data": true, "application/json": false, "": false, "multipart/mixed; boundary=x": false,
	} {
		if IsForm(contentType) != want {
			t.Errorf("%q: %t", contentType, !want)
		}
	}
}

// Whatever is read here, a reader of the standard library reads alike, before and after
// the model has another name.
func FuzzForm(f *testing.F) {
	f.Add([]byte(modelPart+"m\r\n"+filePart+file+"\r\n--b 1--"), "other")
	f.Add([]byte(filePart+file+"\r\n"+modelPart+"\r\n--b 1--\r\nrest"), "\x00")
	f.Add([]byte(strings.ReplaceAll(modelPart+"m\r\n--b 1--", "\r\n", "\n")), "up/m")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		got, err := readForm(t, string(data))
		if err != nil || !isName(name) || name == "" || strings.Contains(name, "--b 1") {
			return
		}
		before, ok := partsOf(data)
		if !ok {
			return // it is stricter with what no client sends
		}
		after, ok := partsOf([]byte(sent(t, got.Body(name))))
		if !ok || len(after) != len(before) {
			t.Fatalf("%d parts became %d", len(before), len(after))
		}
		for i := range before {
			want := before[i].value
			if before[i].name == "model" && got.Model != "" {
				if want != got.Model {
					t.Fatalf("the model is %q, not %q", want, got.Model)
				}
				want = name
			}
			if after[i].value != want || after[i].name != before[i].name {
				t.Fatalf("part %d was %q and is %q", i, before[i], after[i])
			}
		}
	})
}

type part struct {
	name, value string
	header      textproto.MIMEHeader
}

func partsOf(data []byte) (parts []part, ok bool) {
	reader := multipart.NewReader(bytes.NewReader(data), "b 1")
	for {
		next, err := reader.NextRawPart()
		if err == io.EOF { //nolint:errorlint // it is never wrapped
			return parts, true
		}
		if err != nil {
			return nil, false
		}
		value, err := io.ReadAll(next)
		if err != nil {
			return nil, false
		}
		parts = append(parts, part{next.FormName(), string(value), next.Header})
	}
}

// Of JSON all that another parser sees stays but the model.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"model":"a","input":["x",1],"encoding_format":"base64"}`), "b")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		got, err := ReadJSON(route(t, "moderations"), http.Header{}, data)
		if err != nil || !utf8.ValidString(name) {
			return
		}
		again, err := ReadJSON(route(t, "moderations"), http.Header{}, []byte(sent(t, got.Body(name))))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.names) > 0 && again.Model != name || again.Prompt != got.Prompt {
			t.Fatalf("%q as %q became %q", data, name, again.Model)
		}
	})
}
