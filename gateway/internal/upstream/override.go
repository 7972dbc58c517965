package upstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/ondemand"
)

const (
	// maxRules and maxCondition bound what an admin's rules cost each failure.
	maxRules     = 50
	maxCondition = 200
	// maxCoolFor is the longest hint that makes sense; the store bounds it further.
	maxCoolFor = 24 * time.Hour
)

// ruleObject is an admin's rule as JSON.
type ruleObject struct {
	// Status is `429`, `5xx` or `500-599`.
	Status string `json:"status"`
	// Code is the upstream's name for the error, as the log shows it.
	Code string `json:"code"`
	// Text is a part of the upstream's message, in any case.
	Text  string `json:"text"`
	Class string `json:"class"`
	// Scope is `token` or `model`.
	Scope    string `json:"scope"`
	Cooldown string `json:"cooldown"`
}

// ParseRules reads an admin's rules: a JSON list of objects with the conditions
// `status`, `code` and `text`, of which at least one is set, and what they mean:
// `class`, and for a class that cools `scope` and `cooldown`. The first that matches
// decides. The error names each one that is wrong.
func ParseRules(text string) (Table, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	var list []json.RawMessage
	if err := decoder.Decode(&list); err != nil {
		return nil, errors.New(`must be a JSON list such as [{"status":"429","text":"daily","class":"quota"}]`)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON list")
	}
	if len(list) > maxRules {
		return nil, fmt.Errorf("%d rules; there may be %d", len(list), maxRules)
	}
	table := make(Table, len(list))
	var problems []error
	for i, each := range list {
		rule, err := parseRule(each)
		if err != nil {
			problems = append(problems, fmt.Errorf("[%d]: %w", i, err))
		}
		rule.Name = fmt.Sprintf("failure_rules[%d]", i)
		table[i] = rule
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return table, nil
}

func parseRule(text json.RawMessage) (Rule, error) {
	var object ruleObject
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&object); err != nil {
		return Rule{}, errors.New("must be an object of texts: status, code, text, class, scope, cooldown")
	}
	if object.Status+object.Code+object.Text == "" {
		return Rule{}, errors.New("needs a condition: status, code or text")
	}
	if len(object.Code) > maxCondition || len(object.Text) > maxCondition {
		return Rule{}, fmt.Errorf("code and text may have %d bytes each", maxCondition)
	}
	rule := Rule{Class: Class(object.Class), ModelOnly: object.Scope == "model"}
	if object.Code != "" {
		rule.Names = []string{strings.ToLower(object.Code)}
	}
	if object.Text != "" {
		rule.Text = ondemand.Regexp("(?i)" + regexp.QuoteMeta(object.Text))
	}
	err := errors.Join(rule.setStatus(object.Status), rule.checkClass(object), rule.setCooldown(object.Cooldown))
	return rule, err
}

var statusForm = ondemand.Regexp(`^([1-5])(\d\d|xx)(?:-([1-5]\d\d))?$`)

func (r *Rule) setStatus(text string) error {
	if text == "" {
		return nil
	}
	parts := statusForm.Get().FindStringSubmatch(text)
	if parts == nil || parts[2] == "xx" && parts[3] != "" {
		return fmt.Errorf("status: %q is not of the form 429, 5xx or 500-599", text)
	}
	r.From, _ = strconv.Atoi(parts[1] + strings.ReplaceAll(parts[2], "x", "0")) // digits only
	r.To = r.From
	switch {
	case parts[2] == "xx":
		r.To = r.From + 99
	case parts[3] != "":
		r.To, _ = strconv.Atoi(parts[3])
	}
	if r.To < r.From {
		return fmt.Errorf("status: %q ends before it begins", text)
	}
	return nil
}

// checkClass refuses classes that an upstream can't cause, and words about a token's
// rest where the class gives it none.
func (r *Rule) checkClass(object ruleObject) error {
	if row, known := classTable[r.Class]; !known || row.ours {
		return fmt.Errorf("class: %q is not one of %s", object.Class, strings.Join(rulable(), ", "))
	}
	switch {
	case !slices.Contains([]string{"", "token", "model"}, object.Scope):
		return fmt.Errorf("scope: %q is neither token nor model", object.Scope)
	case object.Scope+object.Cooldown != "" && !classTable[r.Class].cools:
		return fmt.Errorf("scope, cooldown: the class %s lets no token cool", r.Class)
	case r.Class == ModelNotAllowed && object.Scope == "token":
		return fmt.Errorf("scope: the class %s is about the model", r.Class)
	default:
		return nil
	}
}

func rulable() []string {
	var names []string
	for _, class := range Classes() {
		if !classTable[class].ours {
			names = append(names, string(class))
		}
	}
	return names
}

func (r *Rule) setCooldown(text string) (err error) {
	if text == "" {
		return nil
	}
	if r.CoolFor, err = time.ParseDuration(text); err != nil || r.CoolFor < time.Second || r.CoolFor > maxCoolFor {
		return fmt.Errorf("cooldown: %q is not a duration from 1s to 24h, such as 90s or 2h", text)
	}
	return nil
}
