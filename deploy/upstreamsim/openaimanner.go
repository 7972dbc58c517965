package upstreamsim

import "strings"

// manners are the ways in which compatible APIs differ from OpenAI's own in what they take.
type manners uint

const (
	oStyle          manners = 1 << iota // a reasoning model: no max_tokens, no sampling, no stop
	mistralStyle                        // no max_completion_tokens, nor any unknown field: 422
	deepSeekStyle                       // reasons, and wants reasoning_content back in a tool loop
	strictVendor                        // no unknown fields, no empty text parts
	noDeveloper                         // no role "developer"
	noStreamOptions                     // no stream_options
	noSchema                            // no response_format of type json_schema
	textOnly                            // no pictures, files, sounds
	toolImages                          // pictures in a tool's message too
	smallOutput                         // at most smallOutputLimit tokens of output
	smallWindow                         // at most smallWindowSize tokens of input and output
	floatsOnly                          // an encoding_format that is ignored
	noRetention                         // no prompt_cache_retention
	noReasoning                         // no reasoning.effort
	caching                             // tells what was cached of the prompt
)

const (
	smallOutputLimit = 4_096
	smallWindowSize  = 1_000
)

// mannerNames are what model ids begin with.
var mannerNames = []struct {
	name   string
	manner manners
}{
	{"o-style", oStyle},
	{"mistral-style", mistralStyle},
	{"deepseek-style", deepSeekStyle},
	{"strict-vendor", strictVendor},
	{"no-developer", noDeveloper},
	{"no-stream-options", noStreamOptions},
	{"no-schema", noSchema},
	{"text-only", textOnly},
	{"tool-images", toolImages},
	{"small-output", smallOutput},
	{"small-window", smallWindow},
	{"floats-only", floatsOnly},
	{"no-retention", noRetention},
	{"no-reasoning", noReasoning},
	{"caching", caching},
}

func (m manners) has(manner manners) bool { return m&manner != 0 }

// mannersOf reads the names at the beginning of a model id, after a maker's name.
func mannersOf(model string) manners {
	rest := model[strings.LastIndexByte(model, '/')+1:]
	var all manners
	for {
		before := rest
		for _, known := range mannerNames {
			if after, found := strings.CutPrefix(rest, known.name); found && (after == "" || after[0] == '-') {
				all |= known.manner
				rest = strings.TrimPrefix(after, "-")
			}
		}
		if rest == before {
			return all
		}
	}
}
