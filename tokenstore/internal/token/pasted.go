package token

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
)

// Bounds of what a person may write.
const (
	maxSecret = 8 << 10 // bytes: what fits into one header
	maxAlias  = 100     // characters
	maxTag    = 50      // characters
	maxTags   = 32
	maxCap    = 100_000
	maxWeight = 1000
)

const cookieName = "WorkosCursorSessionToken="

// Pasted is what one line of a token file, or a pasted text, says.
type Pasted struct {
	Alias  string
	Secret secret.Value
	// Checksum is what follows the comma; Listed tells whether there is one.
	Checksum checksum.Material
	Listed   bool
}

// ParsePasted reads a secret as people have it: a bare token, `alias::token`, a
// Cursor session cookie with or without its name (`user_X%3A%3Atoken` has the
// alias user_X), each with or without `,checksum` behind. Its errors say what is
// wrong and never repeat the text.
func ParsePasted(text string) (Pasted, error) {
	text = fromCookie(strings.TrimSpace(text))
	var pasted Pasted
	named, sum, listed := strings.Cut(text, ",")
	if listed {
		material, err := parseChecksum(sum)
		if err != nil {
			return Pasted{}, err
		}
		pasted.Checksum, pasted.Listed = material, true
	}
	parts := strings.Split(separators.Replace(named), "::")
	switch len(parts) {
	case 1:
	case 2:
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

// separators are the spellings of `::` in a cookie's value.
var separators = strings.NewReplacer("%3A%3A", "::", "%3a%3a", "::", "%3A%3a", "::", "%3a%3A", "::")

// fromCookie finds the token's cookie in a Cookie header, or in the part of one.
func fromCookie(text string) string {
	at := strings.Index(text, cookieName)
	if at < 0 || at > 0 && !strings.ContainsAny(text[at-1:at], " ;:") {
		return text
	}
	value, _, _ := strings.Cut(text[at+len(cookieName):], ";")
	return strings.TrimSpace(value)
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
		if r <= ' ' || r > '~' || r == ',' {
			return errors.New("the token has a character that tokens don't have, such as a space or a comma")
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
	if err := checkText("alias", alias); err != nil {
		return err
	}
	switch {
	case strings.ContainsRune(alias, ','), strings.Contains(separators.Replace(alias), "::"):
		return errors.New("an alias has neither `,` nor `::` in it")
	case strings.HasPrefix(alias, "#"), strings.HasSuffix(alias, ":"):
		return errors.New("an alias neither begins with `#` nor ends with `:`")
	case strings.Contains(alias, cookieName):
		return errors.New("an alias has no cookie in it")
	}
	return nil
}

// checkText refuses what can't be shown on one line.
func checkText(what, text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("the %s is not valid UTF-8", what)
	}
	if text != strings.TrimSpace(text) {
		return fmt.Errorf("the %s has spaces at its ends", what)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("the %s has a character that can't be shown", what)
		}
	}
	return nil
}

// Check answers everything that is wrong with the fields.
func (f Fields) Check() error {
	problems := []error{CheckAlias(f.Alias)}
	if len(f.Tags) > maxTags {
		problems = append(problems, fmt.Errorf("there are more than %d tags", maxTags))
	}
	for _, tag := range f.Tags {
		if tag == "" || utf8.RuneCountInString(tag) > maxTag {
			problems = append(problems, fmt.Errorf("a tag has 1 to %d characters", maxTag))
		} else if err := checkText("tag", tag); err != nil {
			problems = append(problems, err)
		}
	}
	if f.Cap > maxCap {
		problems = append(problems, fmt.Errorf("cap is at most %d; 0 is unlimited", maxCap))
	}
	if f.Weight < 1 || f.Weight > maxWeight {
		problems = append(problems, fmt.Errorf("weight is 1 to %d", maxWeight))
	}
	return errors.Join(problems...)
}
