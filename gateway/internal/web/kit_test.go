package web

import (
	"bytes"
	"slices"
	"testing"
	"text/template/parse"
)

// Every piece that pages share is on the page of all components, drawn by the template that the
// pages use. Only the frame around a page is not.
func TestKitHasEveryPiece(t *testing.T) {
	t.Parallel()
	site := localize(english)
	page, err := site.page("kit")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	var show func(name string)
	show = func(name string) {
		if shown[name] {
			return
		}
		shown[name] = true
		for _, called := range calls(page.Lookup(name).Tree.Root) {
			show(called)
		}
	}
	show("main")
	for _, piece := range site.shared.Templates() {
		defined := piece.Tree != nil && piece.Tree.ParseName != piece.Name()
		if defined && !shown[piece.Name()] && !slices.Contains([]string{"layout", "title", "script"}, piece.Name()) {
			t.Errorf("%q is not on the page of all components", piece.Name())
		}
	}
}

// calls are the templates that a part of a template calls.
func calls(node parse.Node) (names []string) {
	all := func(list *parse.ListNode) {
		if list == nil {
			return
		}
		for _, each := range list.Nodes {
			names = append(names, calls(each)...)
		}
	}
	branch := func(b *parse.BranchNode) { all(b.List); all(b.ElseList) }
	switch node := node.(type) {
	case *parse.ListNode:
		all(node)
	case *parse.TemplateNode:
		names = append(names, node.Name)
	case *parse.IfNode:
		branch(&node.BranchNode)
	case *parse.RangeNode:
		branch(&node.BranchNode)
	case *parse.WithNode:
		branch(&node.BranchNode)
	}
	return names
}

// What is held looks as what is used: the same rules are for both.
func TestHeldStates(t *testing.T) {
	t.Parallel()
	got := held([]byte("a:hover { x } b:focus-visible c { y }"))
	want := `a:is(:hover, [data-state="hover"]) { x } b:is(:focus-visible, [data-state="focus"]) c { y }`
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("%s", got)
	}
}
