package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"strings"
	"sync"
)

//go:embed templates
var templateFiles embed.FS

// views are the pages' templates, by language and name. Each page is a file that
// defines `main`; `shared` has the layout around it, and the pieces that several
// pages have.
type views map[language]localized

// localized is the site in one language.
type localized struct {
	texts texts
	pages map[string]*template.Template
}

// newViews parses the templates; like all that is embedded, only once.
var newViews = sync.OnceValue(func() views {
	files := newAssets()
	all := views{}
	for _, lang := range languages {
		catalogue := loadTexts(lang)
		all[lang] = localized{catalogue, parseViews(newFormat(lang, catalogue).functions(files))}
	}
	return all
})

func parseViews(functions template.FuncMap) map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(functions).
		ParseFS(templateFiles, "templates/shared/*.html"))
	pages := map[string]*template.Template{}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is right
	}
	for _, name := range names {
		page := template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, name))
		pages[strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")] = page
	}
	return pages
}

// render executes a page, or one fragment of it.
func (v views) render(lang language, name, fragment string, data any) ([]byte, error) {
	page := v[lang].pages[name]
	if page == nil {
		return nil, fmt.Errorf("there is no page %q", name)
	}
	var out bytes.Buffer
	err := page.ExecuteTemplate(&out, fragment, data)
	return out.Bytes(), err
}

// dict makes named arguments for a piece: name, value, name, value …
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("a name without a value")
	}
	arguments := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("argument %d is no name", i)
		}
		arguments[name] = pairs[i+1]
	}
	return arguments, nil
}
