package web

import (
	"html/template"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// What every row of a table has is written here: a template would take several times as long.

const noTime template.HTML = `<span class="faint">–</span>`

// written is a time, and a dash where there is none.
func written(at *timestamppb.Timestamp) template.HTML {
	if at == nil {
		return noTime
	}
	return template.HTML(`<time datetime="` + iso(at) + `">` + datetime(at) + `</time>`) //nolint:gosec // digits
}

// ago is a time that the scripts write relative to now; never where there is none.
func (f format) ago(at *timestamppb.Timestamp) template.HTML {
	if at == nil {
		return template.HTML(`<span class="faint">` + template.HTMLEscapeString(f.texts["never"]) + `</span>`) //nolint:gosec // it is escaped
	}
	return template.HTML(`<time datetime="` + iso(at) + `" data-relative>` + datetime(at) + `</time>`) //nolint:gosec // digits
}

// pill is the name of a state, in its colour.
func (f format) pill(state string) template.HTML {
	class, name := template.HTMLEscapeString(state), template.HTMLEscapeString(f.texts.label("state", state))
	return template.HTML(`<span class="pill ` + class + `">` + name + `</span>`) //nolint:gosec // both are escaped
}
