package files_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/files"
	"carousel.internal/tokenstore/internal/token"
)

const (
	tokenFile = tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN
	tokenList = tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN_LIST
	jsonFile  = tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_JSON
)

const sum = "2dHTzLTC03204de92e11fc8c528139be419065920eb83dbff1a4663bbea455aa6e9702bd/1f0efc62c80760e53a5f7cd9a1c7aff105f84b2bf414a102d177ee7b776f0dc8"

// told writes a result as text: `line alias|secret|said` and `line: reason`.
func told(entries []files.Entry, rejected []files.Rejected) []string {
	var lines []string
	for _, e := range entries {
		lines = append(lines, fmt.Sprintf("%d %s|%s|%s", e.Line, e.Alias, e.Secret.Reveal(), strings.Join(e.Said, " ")))
	}
	for _, r := range rejected {
		lines = append(lines, fmt.Sprintf("%d: %s", r.Line, r.Reason))
	}
	return lines
}

func TestParse(t *testing.T) {
	t.Parallel()
	const again = "the same token is on line %d, which counts"
	for name, test := range map[string]struct {
		format  tokenstorev1.TokenFileFormat
		content string
		want    []string
	}{
		"empty":           {tokenFile, "", nil},
		"only blanks":     {tokenFile, "\n \r\n\t\n", nil},
		"bare":            {tokenFile, "T", []string{"1 |T|alias"}},
		"alias":           {tokenFile, "work::T\n", []string{"1 work|T|alias"}},
		"user":            {tokenFile, "user_X::T", []string{"1 user_X|T|alias"}},
		"escaped":         {tokenFile, "user_X%3A%3AT", []string{"1 user_X|T|alias"}},
		"escaped lower":   {tokenFile, "user_X%3a%3aT", []string{"1 user_X|T|alias"}},
		"three parts":     {tokenFile, "a::b::T", []string{"1: there is more than one `::`: write alias::token"}},
		"comment":         {tokenFile, "# x\nT", []string{"2 |T|alias"}},
		"list in token":   {tokenFile, "T," + sum, []string{"1 |T|alias checksum"}},
		"no checksum":     {tokenList, "T", []string{"1: there is no checksum: write token,checksum"}},
		"two commas":      {tokenList, "T,a,b", []string{"1: there is more than one comma: write token,checksum"}},
		"list":            {tokenList, "a::T," + sum, []string{"1 a|T|alias checksum"}},
		"bad checksum":    {tokenList, "T,sum\nU," + sum, []string{"2 |U|alias checksum", "1: " + checksum.ErrLength.Error()}},
		"cookie":          {tokenFile, "WorkosCursorSessionToken=user_X%3A%3AT", []string{"1 user_X|T|alias"}},
		"crlf":            {tokenFile, "a::T\r\n\r\nU\r\n", []string{"1 a|T|alias", "3 |U|alias"}},
		"byte order mark": {tokenFile, "\ufeffT\n", []string{"1 |T|alias"}},
		"nul":             {tokenFile, "T\x00\nU", []string{"2 |U|alias", "1: the token has a character that tokens don't have, such as a space, a comma or a quote"}},
		"invalid utf-8":   {tokenFile, "a\xff::T\nU", []string{"2 |U|alias", "1: the alias is not valid UTF-8"}},
		"overlong":        {tokenFile, strings.Repeat("x", 20<<10) + "\nU", []string{"2 |U|alias", "1: the line has more than 16384 bytes"}},
		"duplicates":      {tokenFile, "a::T\nU\nb::T", []string{"2 |U|alias", "3 b|T|alias", "1: " + fmt.Sprintf(again, 3)}},
		"merged report":   {tokenFile, "T\n::\nT\n::", []string{"3 |T|alias", "1: " + fmt.Sprintf(again, 3), "2: the token is empty", "4: the token is empty"}},

		"cookie file": {tokenFile, "# Netscape HTTP Cookie File\n#HttpOnly_.cursor.com\tTRUE\t/\tTRUE\t1795000000\tWorkosCursorSessionToken\tuser_X%3A%3AT", []string{"2 user_X|T|alias"}},

		"json of cookies": {
			jsonFile, "[\n {\n \"domain\": \".cursor.com\", \"name\": \"theme\", \"value\": \"dark\"\n },\n" +
				"{\"domain\": \".cursor.com\", \"name\": \"WorkosCursorSessionToken\", \"value\": \"user_X%3A%3AT\", \"httpOnly\": true, \"expirationDate\": 1.5}]",
			[]string{"5 user_X|T|alias", "2: a cookie with another name; the session is in WorkosCursorSessionToken"},
		},
		"json": {
			jsonFile, `[{"token":"T"},` + "\n" + `{"token":"U","alias":"","tags":["a"],"cap":2,"weight":3,"enabled":false,"checksum":"` + sum + `"}]`,
			[]string{"1 |T|", "2 |U|alias tags cap weight enabled checksum"},
		},
		"json of the admin API": {jsonFile, `[{"id":"x","token":"T","state":"ready","version":3,"last_used_at":null}]`, []string{"1 |T|"}},
		"json pasted":           {jsonFile, `[{"token":"a::T"}]`, []string{"1 a|T|alias"}},
		"json bad items": {
			jsonFile, "[\n{\"token\":\"T\"},\n\n7,\n{\"token\":1},\n{\"tokn\":\"T\"},\n{\"token\":\"U\",\"weight\":0}]",
			[]string{
				"2 |T|", "4: an object is wanted", "5: token has a value of the wrong kind",
				"6: there is a field that tokens don't have: token, refresh_token, upstream, alias, tags, cap, weight, enabled, disabled_until, checksum and proxy are known",
				"7: weight is 1 to 1000",
			},
		},
		"json duplicates": {jsonFile, `[{"token":"T"},{"token":"T","cap":1}]`, []string{"1 |T|cap", "1: " + fmt.Sprintf(again, 1)}},
		"json cut":        {jsonFile, `[{"token":"T"},` + "\n" + `{"tok`, []string{"1 |T|", "2: not JSON from here on; nothing after it was read"}},
		"json not ended":  {jsonFile, `[{"token":"T"}`, []string{"1 |T|", "1: the array does not end: the file is cut"}},
		"json and more":   {jsonFile, `[] []`, []string{"1: there is something behind the array"}},
		"json object":     {jsonFile, `{"token":"T"}`, []string{"1: a JSON array of objects is wanted"}},
		"json upstream":   {jsonFile, `[{"token":"T","upstream":"A B"}]`, []string{"1: upstream name: 1 to 40 lower-case letters, digits, `-` and `_`, beginning with a letter"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entries, rejected, err := files.Parse(test.format, test.content)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, told(entries, rejected)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, _, err := files.Parse(0, ""); err == nil {
		t.Error("a format is guessed")
	}
	for format, content := range map[tokenstorev1.TokenFileFormat]string{
		tokenFile: strings.Repeat("T\n", 250_001), tokenList: strings.Repeat("#\n", 250_001), jsonFile: "[" + strings.Repeat("{},", 250_000) + "{}]",
	} {
		if entries, rejected, err := files.Parse(format, content); err == nil || entries != nil || rejected != nil || !strings.Contains(err.Error(), "split it") {
			t.Errorf("%v: a file of any length is read: %v", format, err)
		}
	}
}

func entriesToRender() []files.Entry {
	material, _ := checksum.Parse(sum)
	full := token.NewDraft(secret.New("T<&>"))
	full.Fields = token.Fields{Alias: "工作 1", Tags: []string{"a", "b"}, Cap: 2, Weight: 3, Enabled: false, Checksum: material}
	full.Proxy = secret.New("socks5://user:password@proxy:1080")
	full.DisabledUntil = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	full.Upstream, full.Refresh = "cursor", secret.New("the-refresh-token")
	bare := token.NewDraft(secret.New("sk-key"))
	bare.Upstream = "openai"
	return []files.Entry{{Line: 1, Draft: full}, {Line: 2, Draft: bare}}
}

func TestRenderedFilesReadBack(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1735689600000)
	for format, want := range map[tokenstorev1.TokenFileFormat][]string{
		tokenFile: {"1 工作 1|T<&>|alias", "2 |sk-key|alias"},
		tokenList: {"1 工作 1|T<&>|alias checksum"},
		jsonFile:  {"2 工作 1|T<&>|alias tags cap weight enabled disabled_until checksum proxy", "3 |sk-key|alias cap weight enabled"},
	} {
		text, err := files.Render(format, entriesToRender(), now)
		if err != nil {
			t.Fatal(err)
		}
		entries, rejected, err := files.Parse(format, text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, told(entries, rejected)); diff != "" {
			t.Errorf("%v: %s\n%s", format, diff, text)
		}
		if format == jsonFile {
			got := entries[0]
			wantDraft := entriesToRender()[0].Draft
			same := cmp.Comparer(func(a, b secret.Value) bool { return a.Reveal() == b.Reveal() })
			if diff := cmp.Diff(wantDraft.Fields, got.Fields, same); diff != "" || got.Upstream != "cursor" || got.Refresh.Reveal() != "the-refresh-token" {
				t.Error(diff)
			}
		} else if strings.Contains(text, "the-refresh-token") || strings.Contains(text, "proxy") {
			t.Errorf("%v has room for what it can't say:\n%s", format, text)
		}
		if format == tokenList && !strings.Contains(text, sum) {
			t.Errorf("the checksum is not there:\n%s", text)
		}
	}
}

// Upstreams stand beside their tokens in a JSON file, and come back as they were.
func TestUpstreamsReadBack(t *testing.T) {
	t.Parallel()
	upstream := &tokenstorev1.Upstream{
		Name: "deepseek", Driver: "openai", BaseUrl: "https://api.example.com/v1", Models: []string{"a", "b"}, Settings: map[string]string{"first_byte_timeout": "90s"},
	}
	text, err := files.Render(jsonFile, append([]files.Entry{{Defines: upstream}}, entriesToRender()...), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	entries, rejected, err := files.Parse(jsonFile, text)
	if err != nil || len(rejected) > 0 || len(entries) != 3 {
		t.Fatalf("%d entries, rejected %v, %v of\n%s", len(entries), rejected, err, text)
	}
	if diff := cmp.Diff(upstream, entries[0].Defines, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	for content, reason := range map[string]string{
		`[{"upstream":"x","driver":"openai"}]`: "base_url", `[{"upstream":"x","driver":"openai","base_url":"https://h","token":"T"}]`: "an upstream has",
		`[{"upstream":"x","driver":"openai","base_url":"https://h"},{"upstream":"x","driver":"openai","base_url":"https://i"}]`: "the same upstream",
	} {
		if _, rejected, _ := files.Parse(jsonFile, content); len(rejected) != 1 || !strings.Contains(rejected[0].Reason, reason) {
			t.Errorf("%s: %v", content, rejected)
		}
	}
}

// Whatever a file holds: it is read without a panic, no reason shows more of a
// secret than its own wording does, lines ascend, and what was read can be
// written and read again.
func FuzzParse(f *testing.F) {
	f.Add(int32(1), "a::T\n#x\nuser%3A%3AT,"+sum)
	f.Add(int32(2), "T,"+sum+"\r\nT,"+sum)
	f.Add(int32(3), `[{"token":"T","alias":"x"},{"token":"U"}]`)
	f.Add(int32(3), `[`)
	f.Fuzz(func(t *testing.T, format int32, content string) {
		kind := tokenstorev1.TokenFileFormat(format)
		entries, rejected, err := files.Parse(kind, content)
		if err != nil {
			return
		}
		if !slices.IsSortedFunc(rejected, func(a, b files.Rejected) int { return a.Line - b.Line }) {
			t.Errorf("lines out of order: %v", rejected)
		}
		text, err := files.Render(kind, entries, time.UnixMilli(1735689600000))
		if err != nil {
			t.Fatal(err)
		}
		again, refused, err := files.Parse(kind, text)
		if err != nil || len(refused) != 0 || len(again) != len(entries) {
			t.Fatalf("%d entries became %d, refused %v, %v:\n%s", len(entries), len(again), refused, err, text)
		}
		for i := range again {
			if again[i].Secret.Reveal() != entries[i].Secret.Reveal() || again[i].Alias != entries[i].Alias {
				t.Errorf("%q|%q became %q|%q", entries[i].Alias, entries[i].Secret.Reveal(), again[i].Alias, again[i].Secret.Reveal())
			}
		}
	})
}
