package web

import (
	"html/template"
	"regexp"
	"strings"
	"text/template/parse"
)

// fixTexts writes what never changes into parsed templates: texts, around their arguments, and
// icons. A page would spend a third of its time on looking them up. Templates that were executed
// can't be changed any more.
func fixTexts(parsed []*template.Template, catalogue texts) {
	for _, each := range parsed {
		if each.Tree != nil {
			fixer{catalogue}.list(each.Tree.Root)
		}
	}
}

type fixer struct{ texts texts }

func (f fixer) list(list *parse.ListNode) {
	if list == nil { // an `else` that is not there
		return
	}
	nodes := make([]parse.Node, 0, len(list.Nodes))
	for _, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.ActionNode:
			nodes = append(nodes, f.fixed(node)...)
			continue
		case *parse.IfNode:
			f.branch(&node.BranchNode)
		case *parse.RangeNode:
			f.branch(&node.BranchNode)
		case *parse.WithNode:
			f.branch(&node.BranchNode)
		}
		nodes = append(nodes, node)
	}
	list.Nodes = nodes
}

func (f fixer) branch(node *parse.BranchNode) {
	f.list(node.List)
	f.list(node.ElseList)
}

// fixed is what an action writes, of it what is known already as text. An action of which nothing
// is known, or that names what is not there, stays as it is.
func (f fixer) fixed(node *parse.ActionNode) []parse.Node {
	same := []parse.Node{node}
	if len(node.Pipe.Decl) > 0 || len(node.Pipe.Cmds) != 1 || len(node.Pipe.Cmds[0].Args) < 2 {
		return same
	}
	args := node.Pipe.Cmds[0].Args
	function, named := args[0].(*parse.IdentifierNode)
	name, constant := args[1].(*parse.StringNode)
	if !named || !constant {
		return same
	}
	switch function.Ident {
	case "t":
		if text, err := f.texts.text(name.Text); err == nil && verbs(text) == len(args)-2 {
			return around(node, text, args[2:])
		}
	case "icon":
		if drawn, err := icon(name.Text); err == nil {
			return []parse.Node{fixedText(node, string(drawn))}
		}
	}
	return same
}

// verb is where an argument stands in a text as it is.
var verb = regexp.MustCompile(`%[sd]`)

// verbs counts those of a text; -1 where it has others.
func verbs(text string) int {
	n := len(verb.FindAllString(text, -1))
	if strings.Count(text, "%") != n {
		return -1
	}
	return n
}

// around is a text with arguments in its places.
func around(node *parse.ActionNode, text string, args []parse.Node) []parse.Node {
	parts := verb.Split(text, -1)
	nodes := []parse.Node{fixedText(node, template.HTMLEscapeString(parts[0]))}
	for i, arg := range args {
		nodes = append(nodes, argumentAlone(node, arg), fixedText(node, template.HTMLEscapeString(parts[i+1])))
	}
	return nodes
}

func fixedText(node *parse.ActionNode, text string) parse.Node {
	return &parse.TextNode{NodeType: parse.NodeText, Pos: node.Pos, Text: []byte(text)}
}

// argumentAlone writes an argument of another action.
func argumentAlone(node *parse.ActionNode, arg parse.Node) parse.Node {
	pipe, is := arg.(*parse.PipeNode)
	if !is {
		command := &parse.CommandNode{NodeType: parse.NodeCommand, Pos: node.Pos, Args: []parse.Node{arg}}
		pipe = &parse.PipeNode{NodeType: parse.NodePipe, Pos: node.Pos, Line: node.Line, Cmds: []*parse.CommandNode{command}}
	}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: node.Pos, Line: node.Line, Pipe: pipe}
}
