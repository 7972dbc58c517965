package token

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
	"carousel.internal/proto/valid"
)

// Bounds of what a person may write.
const (
	maxSecret = 8 << 10 // bytes: what fits into one header
	maxAlias  = 100     // characters
)

// cookieUser begins the value of a session cookie: the user's id, before `::`.
const cookieUser = "user_"

// Pasted is what one line of a token file, or a pasted text, says.
type Pasted struct {
	Alias  string
	Secret secret.Value
	// Checksum is what follows the comma; Listed tells whether there is one.
	Checksum checksum.Material
	Listed   bool
}

// ParsePasted reads a secret as people have it: a bare token, `alias::token`, a Cursor
// session cookie with or without its name (`user_X%3A%3Atoken` has the alias user_X), each
// with or without `,checksum` behind, and in the quotes, headers and commands that it was
// copied from. Its errors say what is wrong and never repeat the text.
func ParsePasted(text string) (Pasted, error) {
	text, err := unwrap(text)
	if err != nil {
		return Pasted{}, err
	}
	var pasted Pasted
	named, sum, listed := strings.Cut(text, ",")
	if listed {
		material, err := parseChecksum(sum)
		if err != nil {
			return Pasted{}, err
		}
		pasted.Checksum, pasted.Listed = material, true
	}
	parts := strings.Split(named, "::")
	switch {
	case len(parts) == 1:
	case len(parts) == 2, len(parts) == 3 && strings.HasPrefix(parts[1], cookieUser): // an alias and a whole cookie
		pasted.Alias = strings.TrimSpace(parts[0])
		if err := CheckAlias(pasted.Alias); err != nil {
			return Pasted{}, err
		}
	default:
		return Pasted{}, errors.New("there is more than one `::`: write alias::token")
	}
	pasted.Secret = secret.New(strings.TrimSpace(parts[len(parts)-1]))
	return pasted, CheckSecret(pasted.Secret)
}

func parseChecksum(text string) (checksum.Material, error) {
	if strings.Contains(text, ",") {
		return checksum.Material{}, errors.New("there is more than one comma: write token,checksum")
	}
	if strings.TrimSpace(text) == "" {
		return checksum.Material{}, errors.New("nothing follows the comma: write token,checksum")
	}
	return checksum.Parse(text)
}

// CheckSecret refuses what can't be a token or key.
func CheckSecret(value secret.Value) error {
	text := value.Reveal()
	switch {
	case text == "":
		return errors.New("the token is empty")
	case len(text) > maxSecret:
		return fmt.Errorf("the token has %d bytes; at most %d are possible", len(text), maxSecret)
	case strings.HasPrefix(text, ":"), strings.HasPrefix(text, "#"):
		return errors.New("a token does not begin with `:` or `#`")
	}
	for _, r := range text {
		if r <= ' ' || r > '~' || strings.ContainsRune(",;\"'`", r) {
			return errors.New("the token has a character that tokens don't have, such as a space, a comma or a quote")
		}
	}
	if separators.Replace(text) != text || strings.Contains(text, "::") {
		return errors.New("the token has a `::` in it")
	}
	return nil
}

// CheckAlias refuses aliases that could not be written into a token file and
// read from it again.
func CheckAlias(alias string) error {
	if utf8.RuneCountInString(alias) > maxAlias {
		return fmt.Errorf("the alias has more than %d characters", maxAlias)
	}
	if err := valid.Line("alias", alias); err != nil {
		return err
	}
	switch {
	case strings.ContainsRune(alias, ','), strings.Contains(separators.Replace(alias), "::"):
		return errors.New("an alias has neither `,` nor `::` in it")
	case strings.HasPrefix(alias, "#"), strings.HasSuffix(alias, ":"):
		return errors.New("an alias neither begins with `#` nor ends with `:`")
	case HasCookie(alias):
		return errors.New("an alias has no cookie in it")
	case wrappers.MatchString(alias):
		return errors.New("an alias does not begin as a header or a flag does, such as `Bearer `")
	}
	return nil
}

// Check answers everything that is wrong with the fields.
func (f Fields) Check() error {
	return errors.Join(CheckAlias(f.Alias), CheckProxy(f.Proxy), valid.Tags(f.Tags), valid.Cap(f.Cap), valid.Weight(f.Weight))
}
