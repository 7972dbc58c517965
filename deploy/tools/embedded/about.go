package main

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

const (
	aboutHead = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Carousel</title>
<link rel="stylesheet" href="/static/shared-styles.css">
</head>
<body>
<main class="container">
`
	aboutFoot = `</main>
</body>
</html>
`
)

// aboutPage renders the README as a page of its own. HTML inside the README is
// left out, as are pictures and links to files of the repository, which no
// gateway serves.
func aboutPage(readme []byte) ([]byte, error) {
	markdown := goldmark.New(
		goldmark.WithExtensions(extension.Table),
		goldmark.WithParserOptions(
			parser.WithAutoHeadingID(),
			parser.WithASTTransformers(util.Prioritized(unlink{}, 0), util.Prioritized(scope{}, 1)),
		),
	)
	page := bytes.NewBufferString(aboutHead)
	if err := markdown.Convert(readme, page); err != nil {
		return nil, err
	}
	page.WriteString(aboutFoot)
	return page.Bytes(), nil
}

// scope says that a table's heads are those of their columns, for who is read to.
type scope struct{}

// Transform implements parser.ASTTransformer.
func (scope) Transform(document *ast.Document, _ text.Reader, _ parser.Context) {
	_ = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) { // the walker never fails
		if entering && node.Kind() == tables.KindTableCell && node.Parent().Kind() == tables.KindTableHeader {
			node.SetAttributeString("scope", []byte("col"))
		}
		return ast.WalkContinue, nil
	})
}

// unlink replaces links that lead into the repository by their text.
type unlink struct{}

// Transform implements parser.ASTTransformer.
func (unlink) Transform(document *ast.Document, _ text.Reader, _ parser.Context) {
	var inside []ast.Node
	_ = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) { // the walker never fails
		if entering && leadsInside(node) {
			inside = append(inside, node)
		}
		return ast.WalkContinue, nil
	})
	for _, node := range inside {
		parent := node.Parent()
		if _, link := node.(*ast.Link); link {
			for child := node.FirstChild(); child != nil; child = node.FirstChild() {
				parent.InsertBefore(parent, node, child)
			}
		}
		parent.RemoveChild(parent, node)
	}
}

func leadsInside(node ast.Node) bool {
	var destination []byte
	switch link := node.(type) {
	case *ast.Image, *ast.HTMLBlock, *ast.RawHTML:
		return true // pictures: no gateway has them
	case *ast.Link:
		destination = link.Destination
	default:
		return false
	}
	to := string(destination)
	return !strings.HasPrefix(to, "#") && !strings.HasPrefix(to, "https://") && !strings.HasPrefix(to, "http://")
}
