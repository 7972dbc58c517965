package admincli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"carousel.internal/gateway/internal/spreadsheet"
)

// member is one of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// membersOf are the members of an object, in their order.
func membersOf(object json.RawMessage) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil { // the brace
		return nil, unreadable(err)
	}
	var members []member
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, unreadable(err)
		}
		each := member{}
		each.name, _ = name.(string)
		if err := decoder.Decode(&each.value); err != nil {
			return nil, unreadable(err)
		}
		members = append(members, each)
	}
	return members, nil
}

// printYAML prints an answer of the API as a document of YAML.
func (s *session) printYAML(answer []byte) error {
	node, err := nodeOf(answer)
	if err != nil {
		return err
	}
	if s.documents++; s.documents > 1 {
		if _, err := io.WriteString(s.Stdout, "---\n"); err != nil {
			return err
		}
	}
	encoder := yaml.NewEncoder(s.Stdout)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return unreadable(err)
	}
	return encoder.Close()
}

// nodeOf makes YAML of a JSON value, members in their order.
func nodeOf(value json.RawMessage) (*yaml.Node, error) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return nil, unreadable(io.ErrUnexpectedEOF)
	}
	switch value[0] {
	case '{':
		return mappingOf(value)
	case '[':
		return sequenceOf(value)
	case '"':
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return nil, unreadable(err)
		}
		return textNode(text), nil
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: string(value)}, nil
	}
}

// switches are texts that readers of YAML 1.1 take for true or false.
var switches = []string{"y", "n", "yes", "no", "on", "off"}

func textNode(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if slices.Contains(switches, strings.ToLower(text)) {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

func mappingOf(object json.RawMessage) (*yaml.Node, error) {
	members, err := membersOf(object)
	if err != nil {
		return nil, err
	}
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, each := range members {
		value, err := nodeOf(each.value)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, textNode(each.name), value)
	}
	return node, nil
}

func sequenceOf(array json.RawMessage) (*yaml.Node, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(array, &items); err != nil {
		return nil, unreadable(err)
	}
	node := &yaml.Node{Kind: yaml.SequenceNode}
	for _, each := range items {
		item, err := nodeOf(each)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, item)
	}
	return node, nil
}

// printCSV prints the objects that rows leads to, one a line, as RFC 4180 wants it. The columns are
// the members that the first answer has.
func (s *session) printCSV(answer []byte, rows string) error {
	records, err := recordsOf(answer, rows)
	if err != nil {
		return err
	}
	file := csv.NewWriter(s.Stdout)
	file.UseCRLF = true
	if s.columns == nil {
		if s.columns = columnNames(records); len(s.columns) > 0 {
			_ = file.Write(s.columns) // Error tells
		}
	}
	for _, record := range records {
		cells := make([]string, len(s.columns))
		for _, each := range record {
			if at := slices.Index(s.columns, each.name); at >= 0 {
				cells[at] = cellOf(each.value)
			}
		}
		_ = file.Write(cells) // Error tells
	}
	file.Flush()
	return file.Error()
}

func columnNames(records [][]member) []string {
	var names []string
	for _, record := range records {
		for _, each := range record {
			if !slices.Contains(names, each.name) {
				names = append(names, each.name)
			}
		}
	}
	return names
}

// recordsOf are the objects in the lists that rows leads to. Those of a list in a list begin with
// what the object around it says.
func recordsOf(answer json.RawMessage, rows string) ([][]member, error) {
	members, err := membersOf(answer)
	if err != nil || rows == "" {
		return [][]member{members}, err
	}
	list, deeper, _ := strings.Cut(rows, ".")
	at := slices.IndexFunc(members, func(m member) bool { return m.name == list })
	if at < 0 {
		return nil, nil
	}
	var objects []json.RawMessage
	if err := json.Unmarshal(members[at].value, &objects); err != nil {
		return nil, unreadable(err)
	}
	var records [][]member
	for _, object := range objects {
		inner, err := recordsIn(object, deeper)
		if err != nil {
			return nil, err
		}
		records = append(records, inner...)
	}
	return records, nil
}

// recordsIn are the records of an object of a list.
func recordsIn(object json.RawMessage, deeper string) ([][]member, error) {
	inner, err := recordsOf(object, deeper)
	if err != nil || deeper == "" {
		return inner, err
	}
	around, err := membersOf(object)
	if err != nil {
		return nil, err
	}
	list, _, _ := strings.Cut(deeper, ".")
	around = slices.DeleteFunc(around, func(m member) bool { return m.name == list })
	if len(inner) == 0 {
		return [][]member{around}, nil
	}
	for i := range inner {
		inner[i] = slices.Concat(around, inner[i])
	}
	return inner, nil
}

// cellOf is a value in CSV: texts as they are, nothing for null, lists and objects as JSON.
func cellOf(value json.RawMessage) string {
	var text *string
	if json.Unmarshal(value, &text) == nil {
		if text == nil {
			return ""
		}
		return spreadsheet.Cell(*text)
	}
	var compact bytes.Buffer
	if json.Compact(&compact, value) != nil {
		return string(value)
	}
	return compact.String()
}
