package web

import (
	"cmp"
	"net/url"
	"slices"
)

// hideQuery is the part of a page's address that names a series which its charts leave out. There
// is one for each.
const hideQuery = "hide"

// legendEntry is a series as the legend names it.
type legendEntry struct {
	Name string
	// Hidden: it is left out of the picture, its scale and its table.
	Hidden bool
	// Toggle is the address of the page that has it otherwise; empty: it is always drawn.
	Toggle string
}

// Legend are all series; none where one series needs no name.
func (c chart) Legend() []legendEntry {
	if len(c.Series) < 2 {
		return nil
	}
	entries := make([]legendEntry, 0, len(c.Series))
	for _, s := range c.Series {
		entries = append(entries, legendEntry{s.Name, c.hides(s), c.toggle(s)})
	}
	return entries
}

// Drawn are the series that are not left out.
func (c chart) Drawn() []series {
	hidden := c.hidden()
	if len(hidden) == 0 {
		return c.Series
	}
	return slices.DeleteFunc(slices.Clone(c.Series), func(s series) bool { return slices.Contains(hidden, c.called(s)) })
}

// called is what addresses call a series: by its label, where it has one, since its name is only
// that of a colour then.
func (c chart) called(s series) string { return cmp.Or(c.Labels[s.Name], s.Name) }

// hidden are what addresses call the series that are left out. A chart of one series has all.
func (c chart) hidden() []string {
	if c.Here == nil || len(c.Series) < 2 {
		return nil
	}
	return c.Here.Query()[hideQuery]
}

func (c chart) hides(s series) bool { return slices.Contains(c.hidden(), c.called(s)) }

// toggle is the page's address with the series left out, or drawn again.
func (c chart) toggle(s series) string {
	if c.Here == nil {
		return ""
	}
	query, name := c.Here.Query(), c.called(s)
	if hidden := query[hideQuery]; slices.Contains(hidden, name) {
		query[hideQuery] = slices.DeleteFunc(slices.Clone(hidden), func(each string) bool { return each == name })
	} else {
		query.Add(hideQuery, name)
	}
	return (&url.URL{Path: c.Here.Path, RawQuery: query.Encode()}).String()
}
