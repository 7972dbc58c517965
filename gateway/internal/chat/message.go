package chat

import "strings"

// Role says who speaks.
type Role string

// The roles. A dialect maps its aliases (human, ai) to these.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
	// Tool messages have nothing but Results.
	Tool Role = "tool"
)

// Message is one turn.
type Message struct {
	Role Role
	// Developer tells that a System message has the lower rank of a developer's.
	Developer bool
	// Name is the client's name for who speaks; empty where it gave none.
	Name  string
	Parts []Part
}

// Part is a piece of a message: what one of its pointers says, and else text.
type Part struct {
	Text string
	// Refusal tells that Text is what an assistant said instead of an answer.
	Refusal   bool
	Image     *Image
	Document  *Document
	Audio     *Audio
	Call      *Call
	Result    *Result
	Reasoning *Reasoning
	Opaque    *Opaque
	// Cache marks the conversation up to here as worth keeping; nil: no mark.
	Cache *CacheMark
}

// IsText tells whether the part is text.
func (p *Part) IsText() bool {
	return p.Image == nil && p.Document == nil && p.Audio == nil && p.Call == nil && p.Result == nil && p.Reasoning == nil && p.Opaque == nil
}

// Image is a picture: by URL (`data:image/png;base64,…`, http or https), or by the id of
// a file at its maker.
type Image struct {
	URL    string
	FileID string
	// Detail is the client's wish for how closely it is looked at; empty: not said.
	Detail string
	// Data is the image file, once a driver has read it, and Width and Height its
	// size in pixels, 0 where that is unknown. Nobody changes them.
	Data          []byte
	Width, Height int32
}

// Document is a file to read: by URL (a data URL holds its bytes), as text, or by the id
// of a file at its maker.
type Document struct {
	URL    string
	FileID string
	// Text is its text where the client has sent it as such; MediaType is then text/plain.
	Text string
	// MediaType is such as application/pdf; empty where the client has not said it.
	MediaType string
	Name      string
	// Title and Context are what the client says of it.
	Title, Context string
}

// Audio is a sound: its bytes in base64, and their format, such as wav.
type Audio struct {
	Base64, Format string
}

// Call is a tool called by the model.
type Call struct {
	ID   string
	Name string
	// Arguments are JSON text, as the model has written it; of a Custom call free text.
	Arguments string
	Custom    bool
	// Extra are members that the upstream has put beside the call and wants back, such as
	// `"extra_content":{…}`: JSON members without braces, of the maker Dialect; nil: none.
	Extra *Opaque
}

// Result is what a call came to.
type Result struct {
	// CallID names the call.
	CallID string
	// Name is the tool's, where the client repeats it.
	Name  string
	Parts []Part
	// Failed tells that the tool did not do what it was to.
	Failed bool
}

// Reasoning is what the model thought before it spoke.
type Reasoning struct {
	Text string
	// Seal lets its maker trust the text, or read what it does not show: never made,
	// changed or shown to another here. Empty: there is none.
	Seal string
	// Maker is the dialect of the upstream that made it; empty: not known.
	Maker string
	// Redacted tells that there is nothing but the seal.
	Redacted bool
	// Details are what a provider wants back beside the text, in the form of its dialect;
	// nil: nothing.
	Details *Opaque
}

// Opaque is content that has no canonical form. Its own dialect restores it, nobody else
// sees it.
type Opaque struct {
	// Dialect is the name of the dialect that it came in.
	Dialect string
	// Type is the dialect's name of its kind, such as server_tool_use.
	Type string
	// JSON is all of it. Nobody changes it.
	JSON []byte
}

// CacheMark says that what comes before it will be sent again.
type CacheMark struct {
	// TTL is for how long: `5m`, `1h`; empty: not said.
	TTL string
}

// Text joins the text parts by line breaks.
func (m Message) Text() string { return Text(m.Parts) }

// Text joins the texts among parts by line breaks.
func Text(parts []Part) string {
	texts, size := 0, 0
	for i := range parts {
		if parts[i].IsText() {
			texts, size = texts+1, size+len("\n")+len(parts[i].Text)
		}
	}
	var text strings.Builder
	for i := range parts {
		part := &parts[i]
		switch {
		case !part.IsText():
			continue
		case texts == 1:
			return part.Text // nearly always
		case text.Cap() == 0:
			text.Grow(size)
		default:
			text.WriteByte('\n')
		}
		text.WriteString(part.Text)
	}
	return text.String()
}
