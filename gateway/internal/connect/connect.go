// Package connect says what to set in a client so that it uses this gateway: which clients there
// are, and for each the texts to paste and the fields to fill in. It does no I/O.
package connect

import (
	"strings"

	"carousel.internal/gateway/internal/ondemand"
)

// Client is a program or a library that can be pointed at the gateway.
type Client struct {
	// ID is for addresses and the texts of the pages.
	ID string
	// Name is what its makers call it.
	Name  string
	Parts []Part
}

// Part is one thing to do: a text that goes to one place, or fields of a dialog.
type Part struct {
	// Place is where it goes: a file, or a dialog as the client names it. Empty: a shell.
	Place  string
	text   string
	fields []field
}

// field is one of a dialog, named as the client shows it.
type field struct{ label, text string }

// Field is a field of a dialog and what goes into it.
type Field struct {
	Label string
	Value []Piece
}

// Piece is a piece of a text. Those that are the key or the model are marked, so that a page can
// put others in their place.
type Piece struct {
	Text       string
	Key, Model bool
}

// Target is what the client is pointed at. What is not plain is shown as a placeholder: nothing
// in a text needs to be quoted.
type Target struct {
	// URL is the gateway's, without /v1 and a slash at its end.
	URL string
	// Key is the secret; empty: a placeholder.
	Key string
	// Model is the name that requests say; empty: a placeholder.
	Model string
}

// What stands for what is not known.
const (
	placeURL   = "https://YOUR_GATEWAY"
	placeKey   = "YOUR_KEY"
	placeModel = "YOUR_MODEL"
)

// The places of the URL, the key and the model in the texts.
const (
	urlMark   = "{{url}}"
	keyMark   = "{{key}}"
	modelMark = "{{model}}"
)

var (
	plainName = ondemand.Regexp(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$`)
	plainURL  = ondemand.Regexp(`^https?://[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]*(/[A-Za-z0-9._~-]+)*$`)
	marks     = ondemand.Regexp(`\{\{(?:key|model)\}\}`)
)

// Plain tells whether a name means itself in every text, whatever its language: between quotes in
// a shell, JSON, TOML, YAML and in programs.
func Plain(name string) bool { return plainName.MatchString(name) }

// IsText tells whether the part is a text, and no dialog.
func (p Part) IsText() bool { return p.text != "" }

// Text is what to paste.
func (p Part) Text(target Target) string {
	var whole strings.Builder
	for _, piece := range p.Pieces(target) {
		whole.WriteString(piece.Text)
	}
	return whole.String()
}

// Pieces are Text, in pieces.
func (p Part) Pieces(target Target) []Piece { return target.pieces(p.text) }

// Fields are those of the dialog.
func (p Part) Fields(target Target) []Field {
	fields := make([]Field, 0, len(p.fields))
	for _, each := range p.fields {
		fields = append(fields, Field{each.label, target.pieces(each.text)})
	}
	return fields
}

func (t Target) pieces(text string) []Piece {
	text = strings.ReplaceAll(text, urlMark, t.url())
	var pieces []Piece
	plain := func(text string) {
		if text != "" {
			pieces = append(pieces, Piece{Text: text})
		}
	}
	end := 0
	for _, at := range marks.Get().FindAllStringIndex(text, -1) {
		plain(text[end:at[0]])
		if text[at[0]:at[1]] == keyMark {
			pieces = append(pieces, Piece{Text: plainOr(t.Key, placeKey), Key: true})
		} else {
			pieces = append(pieces, Piece{Text: plainOr(t.Model, placeModel), Model: true})
		}
		end = at[1]
	}
	plain(text[end:])
	return pieces
}

func (t Target) url() string {
	if plainURL.MatchString(t.URL) {
		return t.URL
	}
	return placeURL
}

func plainOr(name, placeholder string) string {
	if Plain(name) {
		return name
	}
	return placeholder
}
