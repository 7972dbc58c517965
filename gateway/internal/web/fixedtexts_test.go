package web

import (
	"html/template"
	"regexp"
	"strings"
	"testing"
	"text/template/parse"
)

// What a template writes is the same whether its texts were fixed or are looked up.
func TestFixedTexts(t *testing.T) {
	t.Parallel()
	lookup := regexp.MustCompile(`\bt ["(]`)
	catalogue := texts{"plain": "Café", "hostile": `<b> & "quotes"`, "named": "Edit %s now", "counted": "%d of %d", "quoted": "%q is wrong", "share": "5 % of"}
	for name, c := range map[string]struct {
		source string
		// looked are the texts that are still looked up.
		looked int
	}{
		"a text":                             {`<p>{{t "plain"}}</p>`, 0},
		"one that has to be escaped":         {`<p title="{{t "hostile"}}">{{t "hostile"}}</p>`, 0},
		"an icon":                            {`<p>{{icon "plus"}}</p>`, 0},
		"arguments":                          {`<p title="{{t "named" .Name}}">{{t "counted" .Some .All}}</p>`, 0},
		"an argument that is computed":       {`<p>{{t "named" (print .Name "!")}}</p>`, 0},
		"a variable":                         {`<p>{{$name := .Name}}{{t "named" $name}}</p>`, 0},
		"an argument that is another text":   {`<p>{{t "named" (t "plain")}}</p>`, 1},
		"branches":                           {`{{if .Name}}{{t "plain"}}{{else}}{{t "hostile"}}{{end}}{{range .List}}{{t "named" .}}{{end}}{{with .None}}{{.}}{{else}}{{t "plain"}}{{end}}`, 0},
		"a template in it":                   {`{{define "in"}}{{t "plain"}}{{end}}{{template "in"}}`, 0},
		"an argument written in another way": {`<p>{{t "quoted" .Name}}</p>`, 1},
		"a sign that is no place":            {`<p>{{t "share"}}</p>`, 1},
		"a text that is chosen":              {`<p>{{t (print "pla" "in")}}</p>`, 1},
		"a text that is kept":                {`{{$plain := t "plain"}}<p>{{$plain}}</p>`, 1},
	} {
		data := map[string]any{"Name": `A<"b">`, "Some": uint64(3), "All": 1000, "List": []string{"x", "y&"}, "None": nil}
		parsed := func() *template.Template {
			return template.Must(template.New("").Funcs(template.FuncMap{"t": catalogue.text, "icon": icon}).Parse(c.source))
		}
		fixed := parsed()
		fixTexts(fixed.Templates(), catalogue)
		looked := 0
		for _, each := range fixed.Templates() {
			looked += len(lookup.FindAllString(each.Tree.Root.String(), -1))
		}
		want, got := &strings.Builder{}, &strings.Builder{}
		if err := parsed().Execute(want, data); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := fixed.Execute(got, data); err != nil || got.String() != want.String() || looked != c.looked {
			t.Errorf("%s: %s, want %s; %d looked up: %v", name, got, want, looked, err)
		}
	}
}

// A text that is missing fails the page, and one with other arguments than it has places for stays
// as it is.
func TestTextsThatCannotBeFixed(t *testing.T) {
	t.Parallel()
	catalogue := texts{"named": "Edit %s"}
	for source, want := range map[string]string{
		`{{t "missing"}}`:       `there is no text "missing"`,
		`{{t "named"}}`:         "",
		`{{t "named" "a" "b"}}`: "",
	} {
		made := template.Must(template.New("").Funcs(template.FuncMap{"t": catalogue.text, "icon": icon}).Parse(source))
		fixTexts(made.Templates(), catalogue)
		if kinds := made.Tree.Root.Nodes; len(kinds) != 1 || kinds[0].Type() != parse.NodeAction {
			t.Errorf("%s was fixed: %s", source, made.Tree.Root)
		}
		if err := made.Execute(&strings.Builder{}, nil); want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", source, err)
		}
	}
}
