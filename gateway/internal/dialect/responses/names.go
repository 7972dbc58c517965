package responses

import (
	"crypto/sha256"
	"encoding/hex"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// Other APIs have no namespaces: a tool in one goes by a name that is made of both, and is
// split again where an answer calls it.

// maxName is how long the API lets names of tools be, in bytes.
const maxName = 64

// longestNamespace bounds the name of a namespace, which is copied for each tool in it.
const longestNamespace = 256

// qualified is a tool's name in its namespace; an empty one is none.
type qualified struct{ namespace, name string }

// names are the flat names of a request's tools.
type names struct {
	flats map[qualified]string
	// only are the namespaces of names that just one tool has, and no tool without a namespace.
	only map[string]string
}

// newNames gives each tool a name of its own. Those without a namespace keep theirs.
func newNames(all []tool) names {
	n := names{flats: map[qualified]string{}, only: map[string]string{}}
	taken := map[string]bool{}
	for i := range all {
		if all[i].namespace == "" {
			taken[all[i].Name], n.only[all[i].Name] = true, ""
		}
	}
	for i := range all {
		key := qualified{all[i].namespace, all[i].Name}
		if key.namespace == "" || all[i].Kind == chat.Hosted || n.flats[key] != "" {
			continue
		}
		flat := joined(key)
		if taken[flat] {
			flat = hashed(flat, key)
		}
		taken[flat], n.flats[key] = true, flat
		if _, another := n.only[key.name]; another {
			n.only[key.name] = ""
		} else {
			n.only[key.name] = key.namespace
		}
	}
	return n
}

// namespaceOf is a tool's namespace, also where the client has left it out and there is only
// one of that name.
func (n names) namespaceOf(one qualified) string {
	if one.namespace != "" {
		return one.namespace
	}
	return n.only[one.name]
}

// flat is the name by which the canonical conversation knows a tool, also one that is not
// offered any more.
func (n names) flat(namespace, name string) string {
	if namespace == "" {
		return name
	}
	key := qualified{namespace, name}
	if flat := n.flats[key]; flat != "" {
		return flat
	}
	return joined(key)
}

// joined makes one name of both.
func joined(key qualified) string {
	text := key.namespace
	if last := len(text) - 1; text[last] != '_' {
		text += "_"
	}
	text += key.name
	flat := []byte(text)
	for i, c := range flat {
		if !isNameByte(c) {
			flat[i] = '_'
		}
	}
	if string(flat) != text || len(flat) > maxName {
		return hashed(string(flat), key)
	}
	return text
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// hashed is a name that no other tool has, and the same in each request.
func hashed(flat string, key qualified) string {
	sum := sha256.Sum256([]byte(key.namespace + "\x00" + key.name))
	suffix := "_" + hex.EncodeToString(sum[:4])
	return flat[:min(len(flat), maxName-len(suffix))] + suffix
}

// splitNames are the tools of a request that are in a namespace, by their flat names.
func splitNames(request *chat.Request) map[string]qualified {
	var split map[string]qualified
	for i := range request.Tools {
		spec := &request.Tools[i]
		if spec.Own == nil || spec.Own.Dialect != Dialect || spec.Own.Type != namespaceType {
			continue
		}
		if split == nil {
			split = map[string]qualified{}
		}
		split[spec.Name] = ofNamespace(spec.Own.JSON)
	}
	return split
}

// ofNamespace reads what ownOfNamespace has made.
func ofNamespace(own []byte) (key qualified) {
	s := rawjson.Over(own)
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "name":
			key.namespace = s.Text()
		case toolsField:
			for ok := s.Array(); ok; ok = s.Element() {
				key.name = nameOf(&s)
			}
		default:
			s.Skip()
		}
	}
	return key
}

// nameOf consumes a tool's definition.
func nameOf(s *rawjson.Scanner) (name string) {
	for ok := s.Object(); ok; ok = s.Member() {
		switch key := string(s.Key()); {
		case key == "name" && s.Kind() == rawjson.String:
			name = s.Text()
		case (key == "function" || key == "custom") && s.Kind() == rawjson.Object:
			name = nameOf(s)
		default:
			s.Skip()
		}
	}
	return name
}
