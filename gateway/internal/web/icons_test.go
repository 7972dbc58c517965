package web

import (
	"html/template"
	"io/fs"
	"testing"
	"text/template/parse"
)

// Every icon that a template or the navigation names is there, and none is there for nothing.
func TestIcons(t *testing.T) {
	t.Parallel()
	named := map[string]bool{}
	for _, place := range places {
		named[place.Icon] = true
	}
	functions := newFormat(english, loadTexts(english)).functions(loadedAssets.Get())
	pages, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, file := range pages {
		page, err := template.New("").Funcs(functions).ParseFS(templateFiles, "templates/shared/*.html", file)
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range page.Templates() {
			if piece.Tree == nil {
				continue
			}
			for _, name := range iconsOf(piece.Tree.Root) {
				named[name] = true
			}
		}
	}
	for name := range named {
		if _, err := icon(name); err != nil {
			t.Error(err)
		}
	}
	for name := range icons {
		if !named[name] {
			t.Errorf("nothing shows the icon %q", name)
		}
	}
	if drawn, err := icon("no such"); err == nil || drawn != "" {
		t.Errorf("%q, %v", drawn, err)
	}
}

// iconsOf are the icons that a part of a template names.
func iconsOf(node parse.Node) (names []string) {
	list := func(nodes ...*parse.ListNode) {
		for _, each := range nodes {
			if each != nil {
				names = append(names, iconsOf(each)...)
			}
		}
	}
	switch node := node.(type) {
	case *parse.ListNode:
		for _, each := range node.Nodes {
			names = append(names, iconsOf(each)...)
		}
	case *parse.IfNode:
		list(node.List, node.ElseList)
	case *parse.RangeNode:
		list(node.List, node.ElseList)
	case *parse.WithNode:
		list(node.List, node.ElseList)
	case *parse.ActionNode:
		for _, command := range node.Pipe.Cmds {
			names = append(names, iconOf(command)...)
		}
	}
	return names
}

// iconOf is the icon that a command names, if it does.
func iconOf(command *parse.CommandNode) []string {
	called, is := command.Args[0].(*parse.IdentifierNode)
	if !is || called.Ident != "icon" {
		return nil
	}
	name, constant := command.Args[1].(*parse.StringNode)
	if !constant { // an entry of the navigation
		return nil
	}
	return []string{name.Text}
}
