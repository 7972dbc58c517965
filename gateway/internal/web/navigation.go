package web

import "slices"

// place is an entry of the navigation: a question that people come with.
type place struct {
	// Name is its text's, below `nav.`, and its section's where it has one page.
	Name, Href, Icon string
	// Key leads there, after g.
	Key string
	// Tabs are its pages, where it has several. The first is the entry's own.
	Tabs []tab
}

// tab is a page of a place.
type tab struct {
	// Section is what a view says that belongs to it, and Text its text's name below `nav.`.
	Section, Text, Href string
	// Group is the text's name of what it begins, below `nav.`; mostly empty.
	Group string
}

// places are the navigation, in the order of the questions.
var places = []place{
	{Name: "overview", Href: "/admin/", Icon: "overview", Key: "h"},
	{Name: "logs", Href: "/admin/logs", Icon: "list", Key: "r"},
	{Name: "usage", Href: "/admin/usage", Icon: "coins", Key: "u", Tabs: []tab{
		{Section: "use", Text: "use", Href: "/admin/usage"},
		{Section: "left", Text: "quotas", Href: "/admin/usage/left"},
		{Section: "prices", Text: "prices", Href: "/admin/prices"},
	}},
	{Name: "models", Href: "/admin/models", Icon: "model", Key: "m", Tabs: []tab{
		{Section: "models", Text: "models", Href: "/admin/models"},
		{Section: "routes", Text: "routes", Href: "/admin/routes"},
		{Section: "why", Text: "why", Href: "/admin/why"},
	}},
	{Name: "accounts", Href: "/admin/tokens", Icon: "server", Key: "a", Tabs: []tab{
		{Section: "tokens", Text: "tokens", Href: "/admin/tokens"},
		{Section: "upstreams", Text: "upstreams", Href: "/admin/upstreams"},
		{Section: "quotas", Text: "quotas", Href: "/admin/quotas"},
		{Section: "deleted", Text: "deleted", Href: deletedPath},
	}},
	{Name: "keys", Href: "/admin/keys", Icon: "key", Key: "k"},
	{Name: "activity", Href: "/admin/activity", Icon: "clock", Key: "y"},
	{Name: "settings", Href: "/admin/settings", Icon: "sliders", Key: "s", Tabs: []tab{
		{Section: "settings", Text: "settings", Href: "/admin/settings"},
		{Section: "notifications", Text: "notifications", Href: "/admin/notifications"},
		{Section: "backup", Text: "backup", Href: "/admin/backup"},
		{Section: "tokenfiles", Text: "tokenfiles", Href: "/admin/token-files", Group: "compatibility"},
		{Section: "pages", Text: "pages", Href: "/admin/pages"},
	}},
}

// has tells whether a page of the section belongs to the place.
func (p place) has(section string) bool {
	return p.Name == section || slices.ContainsFunc(p.Tabs, func(t tab) bool { return t.Section == section })
}

// Places are the entries of the navigation.
func (p page) Places() []place { return places }

// Place is the one that the page belongs to; one without a name where it belongs to none.
func (p page) Place() place {
	if at := slices.IndexFunc(places, func(each place) bool { return each.has(p.Section) }); at >= 0 {
		return places[at]
	}
	return place{}
}
