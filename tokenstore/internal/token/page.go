package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/proto/valid"
)

// Bounds of pages and of those who change them.
const (
	maxPage  = 256 << 10 // bytes
	maxActor = 128       // bytes
)

// pagePaths are the pages that an admin may replace.
var pagePaths = []string{
	"/", "/logs", "/config", "/tokeninfo", "/about", "/readme", "/static/shared-styles.css", "/static/shared.js",
}

// CheckPagePath refuses what is not the path of a page.
func CheckPagePath(path string) error {
	if !slices.Contains(pagePaths, path) {
		return fmt.Errorf("path: %q is not one of %s", path, strings.Join(pagePaths, ", "))
	}
	return nil
}

// CheckPage answers everything that is wrong with a page.
func CheckPage(page *tokenstorev1.Page) error {
	if err := CheckPagePath(page.GetPath()); err != nil {
		return err
	}
	content := page.GetContent()
	switch page.GetKind() {
	case tokenstorev1.PageKind_PAGE_KIND_DEFAULT:
		if content != "" {
			return fmt.Errorf("content of %s: the built-in page has none", page.GetPath())
		}
	case tokenstorev1.PageKind_PAGE_KIND_TEXT, tokenstorev1.PageKind_PAGE_KIND_HTML:
		if len(content) > maxPage {
			return fmt.Errorf("content of %s: %d bytes, at most %d are kept", page.GetPath(), len(content), maxPage)
		}
		if !utf8.ValidString(content) {
			return fmt.Errorf("content of %s: not valid UTF-8", page.GetPath())
		}
	default:
		return fmt.Errorf("kind of %s: default, text or html", page.GetPath())
	}
	return nil
}

// CheckPages is CheckPage for those of one change.
func CheckPages(pages []*tokenstorev1.Page) error {
	var problems []error
	for i, page := range pages {
		problems = append(problems, CheckPage(page))
		samePath := func(other *tokenstorev1.Page) bool { return other.GetPath() == page.GetPath() }
		if slices.ContainsFunc(pages[:i], samePath) {
			problems = append(problems, fmt.Errorf("path: %q is there twice", page.GetPath()))
		}
	}
	return errors.Join(problems...)
}

// CheckActor refuses the name of somebody who changes settings when it can't be
// shown in a line.
func CheckActor(actor string) error {
	if len(actor) > maxActor {
		return fmt.Errorf("actor: at most %d bytes", maxActor)
	}
	if actor == "" {
		return nil
	}
	return valid.Line("actor", actor)
}
