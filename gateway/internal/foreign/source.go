package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"carousel.internal/gateway/internal/sqlitefile"
)

// source is a file as far as it is understood whatever its format: one of the members is set.
type source struct {
	database *sqlitefile.File
	// json is a document.
	json json.RawMessage
	// yaml is the document's node, a mapping.
	yaml *yaml.Node
	text string
}

// open finds out what kind of file it is.
func open(file File) (*source, error) {
	if sqlitefile.Is(file.Content) {
		database, err := sqlitefile.Open(file.Content)
		return &source{database: database}, err
	}
	content := trimmed(file.Content)
	switch {
	case len(content) == 0:
		return nil, errors.New("it is empty")
	case len(content) > maxText:
		return nil, fmt.Errorf("a file that is no database has at most %d MiB", maxText>>20)
	case content[0] == '{', content[0] == '[':
		if !json.Valid(content) {
			return nil, errors.New("it is not valid JSON")
		}
		return &source{json: content}, nil
	}
	var document yaml.Node
	if yaml.Unmarshal(content, &document) == nil && len(document.Content) == 1 && document.Content[0].Kind == yaml.MappingNode {
		return &source{yaml: document.Content[0], text: string(content)}, nil
	}
	return &source{text: string(content)}, nil
}

// has tells whether the YAML has one of these members.
func (s *source) has(names ...string) bool {
	for _, name := range names {
		if s.yaml != nil && member(s.yaml, name) != nil {
			return true
		}
	}
	return false
}

// member is a mapping's value; nil where there is none.
func member(mapping *yaml.Node, name string) *yaml.Node {
	for key, value := range members(mapping) {
		if key.Value == name {
			return meant(value)
		}
	}
	return nil
}

// meant is the node that an alias stands for.
func meant(node *yaml.Node) *yaml.Node {
	for node != nil && node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// members are a mapping's keys and values, in order.
func members(mapping *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if mapping == nil || mapping.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			if !yield(mapping.Content[i], mapping.Content[i+1]) {
				return
			}
		}
	}
}

// elements are a list's.
func elements(list *yaml.Node) []*yaml.Node {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	return list.Content
}

// line says where a node stands.
func line(node *yaml.Node) string { return "line " + strconv.Itoa(node.Line) }

// scalar is a text, number or truth as it is written; of anything else it is empty. Files that
// people write have numbers in quotes, and texts without.
type scalar string

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *scalar) UnmarshalYAML(node *yaml.Node) error {
	if node = meant(node); node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		*s = scalar(strings.TrimSpace(node.Value))
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *scalar) UnmarshalJSON(text []byte) error {
	var said string
	switch {
	case text[0] == '"':
		if err := json.Unmarshal(text, &said); err != nil {
			return err
		}
	case text[0] != '{' && text[0] != '[' && string(text) != "null":
		said = string(text)
	}
	*s = scalar(strings.TrimSpace(said))
	return nil
}

// number is a whole number from 0 up; 0 where it is none.
func (s scalar) number() uint32 {
	n, err := strconv.ParseFloat(string(s), 64)
	if err != nil || n < 0 || n > 1<<31 {
		return 0
	}
	return uint32(n)
}

func (s scalar) truth() bool { return strings.EqualFold(string(s), "true") || s == "1" }

// share is a weight within its bounds; what is none has a share of 1.
func (s scalar) share() uint32 { return min(max(s.number(), 1), maxShare) }

// text is a value of a database as text.
func text(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case []byte:
		return string(value)
	case nil:
		return ""
	default:
		return fmt.Sprint(value)
	}
}

// cell is a column of a row.
func cell(row sqlitefile.Row, column string) scalar {
	return scalar(strings.TrimSpace(text(row[column])))
}
