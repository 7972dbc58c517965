package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"sync"
	"time"

	"carousel.internal/gateway/internal/ondemand"
)

//go:embed templates
var templateFiles embed.FS

// views are the pages' templates, by language and name. Each page is a file that
// defines `main`; `shared` has the layout around it, and the pieces that several
// pages have.
type views map[language]*ondemand.Value[*localized]

// kept is how long what pages are made of stays in memory after its last use: parsed
// templates take much of it, and most gateways are never asked for a page.
const kept = 5 * time.Minute

// loadedViews are those of all sites of the process: nothing in a template is a site's own.
var loadedViews = newViews()

func newViews() views {
	all := views{}
	for _, lang := range languages {
		all[lang] = ondemand.New(kept, func() *localized { return localize(lang) })
	}
	return all
}

// localized is the site in one language.
type localized struct {
	texts  texts
	shared *template.Template

	mu sync.Mutex
	// pages are those that somebody has asked for.
	pages map[string]*template.Template
}

func localize(lang language) *localized {
	catalogue := loadTexts(lang)
	shared := template.New("").Funcs(newFormat(lang, catalogue).functions(loadedAssets.Get()))
	template.Must(shared.ParseFS(templateFiles, "templates/shared/*.html"))
	fixTexts(shared.Templates(), catalogue)
	return &localized{texts: catalogue, pages: map[string]*template.Template{}, shared: shared}
}

// page returns a page's template, which is parsed when it is first asked for.
func (l *localized) page(name string) (*template.Template, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if page := l.pages[name]; page != nil {
		return page, nil
	}
	page, err := l.shared.Clone()
	if err == nil {
		page, err = page.ParseFS(templateFiles, "templates/"+name+".html")
	}
	if err != nil { // ours: a test renders every page
		return nil, fmt.Errorf("page %q: %w", name, err)
	}
	fixTexts(page.Templates(), l.texts)
	l.pages[name] = page
	return page, nil
}

// render executes a page, or one fragment of it.
func (v views) render(lang language, name, fragment string, data any) ([]byte, error) {
	page, err := v[lang].Get().page(name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = page.ExecuteTemplate(&out, fragment, data)
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
