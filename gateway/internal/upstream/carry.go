package upstream

import (
	"fmt"

	"carousel.internal/gateway/internal/chat"
)

// Carrier is implemented by drivers whose upstream can't be asked for everything. One
// that does not implement it passes all on.
type Carrier interface {
	// Carries tells whether the upstream can be asked for it.
	Carries(need chat.Need) bool
}

// Carries tells whether a driver's upstream can be asked for something.
func Carries(driver Driver, need chat.Need) bool {
	carrier, picky := driver.(Carrier)
	return !picky || carrier.Carries(need)
}

// Tuner is implemented by drivers whose upstream can be sent some of what only tunes: of
// others Carrier tells for all of it.
type Tuner interface {
	// Tunes tells whether a request of another dialect may say so, by the Ask's Field.
	Tunes(field string) bool
}

// Ignored tells whether a driver leaves out of a request what only tunes.
func Ignored(driver Driver, request *chat.Request, field string) bool {
	if TakesAsItCame(driver, request) {
		return false
	}
	if tuner, some := driver.(Tuner); some {
		return !tuner.Tunes(field)
	}
	return !Carries(driver, chat.Tuning)
}

// Uncarried finds what a request asks for and the driver's upstream can't be asked for.
func Uncarried(driver Driver, request *chat.Request) (chat.Ask, bool) {
	carrier, picky := driver.(Carrier)
	if !picky || TakesAsItCame(driver, request) {
		return chat.Ask{}, false
	}
	for ask := range request.Needs() {
		if !carrier.Carries(ask.Need) {
			return ask, true
		}
	}
	return chat.Ask{}, false
}

// inWords names each need in an error.
var inWords = map[chat.Need]string{
	chat.Tools:       "tools and functions",
	chat.Choices:     "several choices",
	chat.LogProbs:    "log probabilities",
	chat.JSONObject:  "JSON mode",
	chat.JSONSchema:  "an answer by a schema",
	chat.Media:       "answers in sounds or pictures",
	chat.HostedTools: "tools that another provider runs",
	chat.FreeTools:   "tools that take free text",
	chat.Pictures:    "images",
	chat.Papers:      "documents",
	chat.TextPapers:  "documents",
	chat.Sounds:      "audio",
	chat.ToolMedia:   "images and files in the results of tools",
	chat.FileIDs:     "files by id, which belong to another account",
	chat.State:       "what another provider keeps",
	chat.Content:     "content of this kind",
	chat.Prediction:  "predicted outputs",
	chat.WebSearch:   "web search",
	chat.Words:       "banned or forced tokens",
	chat.Unclear:     "this value",
}

// Unsupported is the error for what the upstream can't be asked for.
func Unsupported(upstreamName string, ask chat.Ask) *chat.Error {
	return &chat.Error{
		Kind: chat.Unsupported, Param: ask.Field,
		Message: fmt.Sprintf("`%s`: upstream %q can't carry %s; leave it out, or name a model of an upstream that can", ask.Field, upstreamName, inWords[ask.Need]),
	}
}
