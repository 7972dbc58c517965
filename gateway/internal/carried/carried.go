// Package carried has the side endpoints of the OpenAI API: what a gateway must know of
// each, and of a request to one, to carry it to an upstream as it is. Of a body it reads
// where the model's name stands, and little more; all other bytes stay as they came. It
// does no I/O but to read the body that it is given.
package carried

import "slices"

// Route is what there is to know of one endpoint.
type Route struct {
	// Name is its path below /v1, and below an upstream's base URL.
	Name string
	// Unnamed tells that a request may leave the model's name out.
	Unnamed bool
	// SameModel tells that the answer is of use only if it is of the model that was asked.
	SameModel bool
	// Costly tells that an upstream that has begun may have worked for minutes and
	// charge for it: what may have begun is not begun again.
	Costly bool
	// Slow tells that the first byte of an answer may take as long as all of it, also of
	// a stream.
	Slow bool
	// Upload tells that a body has files in it.
	Upload bool
	// Vectors tells that an answer has embeddings.
	Vectors bool
	// Text tells that an answer is text, in choices: what its upstream does not count can be.
	Text bool
	// Prompt is the field that the request log shows.
	Prompt string
}

// routes has a row for each endpoint.
var routes = []Route{
	{Name: "completions", Prompt: "prompt", Text: true},
	{Name: "embeddings", Prompt: "input", SameModel: true, Vectors: true},
	{Name: "moderations", Prompt: "input", Unnamed: true},
	{Name: "images/generations", Prompt: "prompt", Unnamed: true, Costly: true, Slow: true},
	{Name: "images/edits", Prompt: "prompt", Unnamed: true, Costly: true, Slow: true, Upload: true},
	{Name: "images/variations", Unnamed: true, Costly: true, Slow: true, Upload: true},
	{Name: "audio/speech", Prompt: "input"},
	{Name: "audio/transcriptions", Prompt: "prompt", Slow: true, Upload: true},
	{Name: "audio/translations", Prompt: "prompt", Slow: true, Upload: true},
	{Name: "rerank", Prompt: "query", Unnamed: true, SameModel: true},
}

// Routes lists the endpoints. Nobody changes them.
func Routes() []*Route {
	list := make([]*Route, len(routes))
	for i := range routes {
		list[i] = &routes[i]
	}
	return list
}

// Known tells whether there is an endpoint of that name.
func Known(name string) bool {
	return slices.ContainsFunc(routes, func(route Route) bool { return route.Name == name })
}

// bound are endpoints that can't be carried: what they make has an id that one account
// alone knows.
var bound = map[string]string{
	"files":         "files belong to one account of the upstream",
	"uploads":       "uploads belong to one account of the upstream",
	"batches":       "batches belong to one account of the upstream",
	"vector_stores": "vector stores belong to one account of the upstream",
	"fine_tuning":   "fine-tuned models belong to one account of the upstream",
	"assistants":    "assistants belong to one account of the upstream",
	"threads":       "threads belong to one account of the upstream",
	"realtime":      "a realtime session belongs to one account of the upstream",
	"containers":    "containers belong to one account of the upstream",
	"evals":         "evals belong to one account of the upstream",
}

// Bound says why an endpoint, such as `files`, can't be carried; empty: it is none of
// those.
func Bound(endpoint string) string { return bound[endpoint] }
