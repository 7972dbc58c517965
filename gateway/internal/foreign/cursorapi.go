package foreign

import (
	"encoding/json"
	"fmt"
	"strings"

	"carousel.internal/proto/service/secret"
)

// cursorTokens is what `POST /tokens/get` of cursor-api 0.3 and later answers, and what
// `/tokens/set` takes. (Before, tokens were in a text file `.tokens`: a token and a checksum a
// line. The file of later versions is in a form of Rust's memory, which differs between builds.)
type cursorTokens struct {
	Tokens []json.RawMessage `json:"tokens"`
}

type cursorToken struct {
	Primary   string `json:"primary_token"`
	Secondary string `json:"secondary_token"`
	Checksum  struct {
		First  string `json:"first"`
		Second string `json:"second"`
	} `json:"checksum"`
	Proxy  string `json:"proxy"`
	Status struct {
		Enabled *bool `json:"enabled"`
	} `json:"status"`
}

func knowsCursorAPI(s *source) bool {
	if s.json != nil {
		for _, each := range cursorTokensOf(s.json) {
			if _, _, is := cursorTokenOf(each); is {
				return true
			}
		}
		return false
	}
	return s.yaml == nil && s.database == nil && strings.Contains(s.text, "eyJ")
}

func cursorTokensOf(content json.RawMessage) []json.RawMessage {
	var answer cursorTokens
	if json.Unmarshal(content, &answer) == nil {
		return answer.Tokens
	}
	_ = json.Unmarshal(content, &answer.Tokens) // what is none has no tokens
	return answer.Tokens
}

// cursorTokenOf reads a token: a list of its number, its alias and itself, or of the last two.
func cursorTokenOf(raw json.RawMessage) (alias string, token cursorToken, is bool) {
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil || len(parts) < 2 {
		return "", token, false
	}
	last := len(parts) - 1
	_ = json.Unmarshal(parts[last-1], &alias) // a token may have none
	return alias, token, json.Unmarshal(parts[last], &token) == nil && token.Primary != ""
}

func readCursorAPI(d *draft, s *source) {
	if s.json != nil {
		d.cursorExport(s.json)
		return
	}
	n := 0
	for row := range strings.Lines(s.text) {
		n++
		if row = strings.TrimSpace(row); row != "" {
			d.cursorLine(fmt.Sprintf("line %d", n), row)
		}
	}
}

func (d *draft) cursorExport(content json.RawMessage) {
	for i, raw := range cursorTokensOf(content) {
		at := fmt.Sprintf("token %d", i+1)
		alias, token, is := cursorTokenOf(raw)
		if !is {
			d.leave(at, KindToken, "", "not the form of a token: an alias, and an object with primary_token")
			continue
		}
		var notes []string
		if token.Proxy != "" {
			notes = append(notes, "its proxy is left: the file has but its name")
		}
		if token.Secondary != "" {
			notes = append(notes, "its secondary_token is left: an account has one token")
		}
		checksum := ""
		if token.Checksum.First != "" && token.Checksum.Second != "" {
			checksum = token.Checksum.First + "/" + token.Checksum.Second
		}
		d.token(at, Token{
			Upstream: d.cursorUpstream(at), Secret: secret.New(token.Primary), Checksum: secret.New(checksum), Alias: alias,
			Disabled: token.Status.Enabled != nil && !*token.Status.Enabled,
		}, notes...)
	}
}

// cursorLine reads a line of `.tokens`.
func (d *draft) cursorLine(at, row string) {
	if strings.HasPrefix(row, "#") {
		d.leave(at, KindToken, "", "its mark `#` says that it is to be deleted")
		return
	}
	token, checksum, _ := strings.Cut(row, ",")
	if strings.Contains(checksum, ",") {
		d.leave(at, KindToken, "", "a line is a token, a comma and a checksum")
		return
	}
	d.token(at, Token{Upstream: d.cursorUpstream(at), Secret: secret.New(strings.TrimSpace(token)), Checksum: secret.New(strings.TrimSpace(checksum))})
}
