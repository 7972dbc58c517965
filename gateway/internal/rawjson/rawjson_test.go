package rawjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// tree builds what encoding/json would, so that the two can be compared.
func tree(s *Scanner) any {
	switch s.Kind() {
	case Object:
		members := map[string]any{}
		for ok := s.Object(); ok; ok = s.Member() {
			key := string(s.Key())
			members[key] = tree(s)
		}
		return members
	case Array:
		elements := []any{}
		for ok := s.Array(); ok; ok = s.Element() {
			elements = append(elements, tree(s))
		}
		return elements
	case String:
		return s.Text()
	case Number:
		var number float64
		if json.Unmarshal(s.Skip(), &number) != nil {
			return "out of range"
		}
		return number
	case Bool:
		return s.Bool()
	default:
		s.Skip()
		return nil
	}
}

func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e+3,"x\n\u00e9\ud83d\ude00",true,false,null],"b":{}}`, ` [ ] `, `"\ud800"`, `"\ud800A"`,
		`{"a":1,}`, `[1,]`, `01`, `1.`, `-`, `1e`, `tru`, `"` + "\x01" + `"`, `{"a" 1}`, `{1:2}`, `"\x"`, `{}{}`, "\xef\xbb\xbf{}",
		`{"a\u0062":1,"ab":2}`, `"12345678\"12345678\\"`, "\"\u2028 \xff \"", `nulll`, ``, `"abc`, `"abc\`, `"abc\u12`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		var want any
		wantErr := json.Unmarshal(data, &want)

		s := Over(data)
		got := tree(&s)
		err := s.End()
		if (err == nil) != json.Valid(data) {
			if err != nil && strings.HasPrefix(err.Message, "nested") {
				return
			}
			t.Fatalf("%q: our error %v, valid %v", data, err, json.Valid(data))
		}
		if err == nil && wantErr == nil && utf8.Valid(data) && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %#v, want %#v", data, got, want)
		}
		if err != nil && (err.Offset < 0 || err.Offset > len(data)) {
			t.Fatalf("offset %d of %d", err.Offset, len(data))
		}

		skipper := Over(data)
		span := skipper.Skip()
		if (skipper.End() == nil) != (err == nil) {
			t.Fatalf("%q: Skip and the tree differ: %v, %v", data, skipper.Err(), err)
		}
		if err == nil && string(span) != strings.Trim(string(data), " \t\r\n") {
			t.Fatalf("%q: span %q", data, span)
		}
	})
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{
		"", "plain", "quote \" backslash \\ slash /", "\x00\x1f\x7f\b\f\n\r\t", "\u2028\u2029", "é漢字😀", "\xff\xc3", "12345678é12345678",
		"<script>&amp;", "1234567\"", "12345678\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		encoded := AppendString(nil, text)
		var decoded string
		if err := json.Unmarshal(encoded, &decoded); err != nil {
			t.Fatalf("%q became %q: %v", text, encoded, err)
		}
		if want := strings.ToValidUTF8(text, ""); utf8.ValidString(text) && decoded != want {
			t.Fatalf("%q came back as %q", text, decoded)
		}
		var reference strings.Builder
		encoder := json.NewEncoder(&reference)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(text); err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSuffix(reference.String(), "\n"); string(encoded) != want {
			t.Fatalf("got %s, encoding/json writes %s", encoded, want)
		}
		if own := Over(encoded); own.Text() != decoded {
			t.Fatalf("Text reads %s otherwise than encoding/json", encoded)
		}
	})
}

func TestDepthIsBounded(t *testing.T) {
	t.Parallel()
	for depth, fine := range map[int]bool{MaxDepth: true, MaxDepth + 1: false} {
		s := Over([]byte(strings.Repeat("[", depth) + strings.Repeat("]", depth)))
		s.Skip()
		if err := s.End(); (err == nil) != fine {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

func TestFaultsAreNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:               `the text ends where a value is expected at byte 0`,
		`{"a":1`:         `the text ends where a comma or a closing brace is expected at byte 6`,
		`{"a":1,}`:       `unexpected character '}' where a key in double quotes is expected at byte 7`,
		`{'a':1}`:        `unexpected character '\'' where a key in double quotes is expected at byte 1`,
		`{"a":"b`:        `the text ends inside a string at byte 7`,
		"{\"a\":\"\n\"}": `control character 0x0a inside a string: it must be escaped at byte 6`,
		`{"a":.5}`:       `unexpected character '.' where a value is expected at byte 5`,
		`{} x`:           `unexpected character 'x' where the end of the text is expected at byte 3`,
	} {
		s := Over([]byte(text))
		s.Skip()
		if err := s.End(); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestInt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"0": 0, "-7": -7, "12.9": 12, "1e3": 1000, "1e99": 1<<63 - 1, "-1e99": -1 << 63} {
		s := Over([]byte(text))
		if got := s.Int(); got != want || s.End() != nil {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
	}
}

func TestCutMember(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{ "a": {"x":1} , "b":2}`:          `{  "b":2}`,
		`{"b":2, "a":[{"c":1}] , "d":3}`:   `{"b":2 , "d":3}`,
		`{"a":{}}`:                         `{}`,
		`{"a":1,"a":2,"b":{"a":1},"a":[]}`: `{"b":{"a":1}}`,
		`{"a":1 ,"a":2 }`:                  `{ }`,
	} {
		s, edit := Over([]byte(text)), NewEdit(nil, []byte(text))
		kept := false
		for ok := s.Object(); ok; ok = s.Member() {
			start, cut := s.MemberStart(), string(s.Key()) == "a"
			s.Skip()
			if cut {
				edit.CutMember(&s, start, !kept)
			} else {
				kept = true
			}
		}
		if got := string(edit.Bytes()); s.End() != nil || got != want || !json.Valid([]byte(got)) {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}

// An ordinary chunk of a stream must be read without a single allocation.
func BenchmarkSkipChunk(b *testing.B) {
	chunk := []byte(`{"id":"chatcmpl-8f3a","object":"chat.completion.chunk","created":1763800000,"model":"gpt-4o-2024-08-06",` +
		`"service_tier":"default","system_fingerprint":"fp_b376dfbbd5","choices":[{"index":0,"delta":{"content":" world"},` +
		`"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"Yq3n"}`)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		s := Over(chunk)
		s.Skip()
		if s.End() != nil {
			b.Fatal(s.Err())
		}
	}
}

func BenchmarkAppendString(b *testing.B) {
	text := strings.Repeat("An ordinary line of some answer.\n", 30)
	dst := make([]byte, 0, 2*len(text))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendString(dst[:0], text)
	}
}
