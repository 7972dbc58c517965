package redisstore

import (
	"maps"
	"slices"
	"strings"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// pageKinds are the kinds as they stand in Redis, in front of the content.
var pageKinds = map[tokenstorev1.PageKind]string{
	tokenstorev1.PageKind_PAGE_KIND_TEXT: "text",
	tokenstorev1.PageKind_PAGE_KIND_HTML: "html",
}

func formatPage(page *tokenstorev1.Page) string {
	return pageKinds[page.GetKind()] + "\n" + page.GetContent()
}

// pagesOf reads stored pages, by path. One that this version of the program does
// not know counts as the built-in one.
func pagesOf(stored map[string]string) []*tokenstorev1.Page {
	var pages []*tokenstorev1.Page
	for _, path := range slices.Sorted(maps.Keys(stored)) {
		name, content, _ := strings.Cut(stored[path], "\n")
		page := &tokenstorev1.Page{Path: path, Content: content}
		for kind, known := range pageKinds {
			if name == known {
				page.Kind = kind
			}
		}
		if token.CheckPage(page) == nil {
			pages = append(pages, page)
		}
	}
	return pages
}
