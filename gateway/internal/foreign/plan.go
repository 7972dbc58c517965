// Package foreign reads what other gateways keep: their configuration, exports and databases. Of
// each file it makes a plan, which says item by item what Carousel can take over, what it takes
// over in another form, and what it can't, and why. It is pure: bytes become a plan, and nothing is
// asked or changed.
//
// What is secret is in secret.Value alone. No reason repeats what a file says of one, nor do
// errors.
package foreign

import "carousel.internal/proto/service/secret"

// Bounds of what is read.
const (
	// MaxFile bounds a file, and all files of one plan together, in bytes.
	MaxFile = 64 << 20
	// maxText bounds one that is no database: readers of JSON and YAML need many times as much
	// memory.
	maxText = 8 << 20
	// maxItems bounds the items of a plan.
	maxItems = 20_000
	// maxName bounds a name that is shown, in bytes.
	maxName = 120
)

// File is one that is to be read.
type File struct {
	Name    string
	Content []byte
}

// Plan is what of some files is taken over. Items are in the order in which they stand in the
// files, but that routes come after what they are made of.
type Plan struct {
	Files []Read
	Items []Item
}

// Read is a file that was read, and what it was read as.
type Read struct{ Name, Format string }

// Kinds of items.
const (
	KindUpstream = "upstream"
	KindToken    = "token"
	KindRoute    = "route"
	KindKey      = "key"
	KindSetting  = "setting"
)

// Verdict says what becomes of an item.
type Verdict string

// The verdicts.
const (
	// Taken as it is.
	Taken Verdict = "taken"
	// Changed: taken over in another form; the item's note says how.
	Changed Verdict = "changed"
	// Same: it is there already.
	Same Verdict = "same"
	// Left: it can't be taken over; the item's note says why.
	Left Verdict = "left"
)

// Item is one thing of a file.
type Item struct {
	// File and At say where it stands: a line, a row of a table.
	File, At string
	Kind     string
	// Name is what it is called there, or what it will be called here.
	Name    string
	Verdict Verdict
	Note    string
	// One of them is set for what is taken over.
	Upstream *Upstream
	Token    *Token
	Route    *Route
}

// Upstream is one that tokens of the plan are for. Its name is unique in the plan.
type Upstream struct {
	Name, Driver, BaseURL string
	// Models are those that it serves; empty: it is asked.
	Models []string
	Proxy  secret.Value
	// every: some of its tokens serve every model, so that there is no list.
	every bool
}

// Token is an account.
type Token struct {
	Upstream        *Upstream
	Secret, Refresh secret.Value
	Checksum        secret.Value
	Proxy           secret.Value
	// Alias is unique in the plan; empty: none.
	Alias string
	// Cap is how many requests it serves at a time; 0: as many as its upstream lets.
	Cap uint32
	// Weight is its share, from 1 to 1000.
	Weight   uint32
	Disabled bool
}

// Route is a name of a model that leads elsewhere.
type Route struct {
	Name, Match string
	Targets     []Target
}

// Target is where a route leads.
type Target struct {
	Upstream *Upstream
	Model    string
	Priority uint32
	// Weight is from 1 to 1000.
	Weight uint32
}
