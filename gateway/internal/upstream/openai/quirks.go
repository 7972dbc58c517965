package openai

import (
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/ondemand"
)

// quirks are how an upstream differs from others that speak the same API. They shape the
// bodies that are built from the canonical form; a client's own body stays as it came.
type quirks struct {
	// official: the upstream is OpenAI's, or Azure's of OpenAI's models.
	official bool
	// developerRole: keep, or system for upstreams that know no developer.
	developerRole string
	// midSystem is where instructions stand that come behind the first turn: keep, or user
	// for upstreams that take them at the beginning alone.
	midSystem string
	// limitField is the name of the output limit; never: there is none. limitMax is the
	// largest that the upstream takes, in tokens; 0: any.
	limitField string
	limitMax   int
	// sampling: usual, always (also what OpenAI's API does not have), never.
	sampling string
	// efforts are those that the upstream takes, unless its models' names tell.
	efforts        []chat.Effort
	effortsByModel bool
	// reasoningField is the name of what an assistant thought, reasoningHistory when it is
	// sent back: always, tool_loop, never.
	reasoningField, reasoningHistory string
	// resultMedia is where images of tools' results go: user, tool, note.
	resultMedia string
	// documents: file, never.
	documents string
	// toolNames: shorten, keep.
	toolNames string
	// customTools: keep, or function for upstreams that know no tools that take free text.
	customTools string
	// cacheKey and user: the upstream takes prompt_cache_key and user.
	cacheKey, user bool
	// lacks is what the upstream can't do.
	lacks []chat.Need
	// responses: on, off, or auto, where it is found out whether the upstream serves the
	// Responses API, unless responsesKnown says that it does.
	responses      string
	responsesKnown bool
	// responsesWithout are the members of a Responses request that the upstream is not sent.
	responsesWithout []string
}

// Words of the settings.
const (
	keep       = "keep"
	never      = "never"
	always     = "always"
	usual      = "usual"
	byModel    = "by_model"
	inUser     = "user"
	inTool     = "tool"
	inToolLoop = "tool_loop"
	asNote     = "note"
	asFile     = "file"
	shorten    = "short"
	oldLimit   = "max_tokens"
	newLimit   = "max_completion_tokens"
	asFunction = "function"
	auto       = "auto"
	on         = "on"
	off        = "off"
)

// usualQuirks are those of an upstream of which nothing is known: it gets what nearly all
// of them take.
var usualQuirks = quirks{
	developerRole: string(chat.System), midSystem: inUser, limitField: oldLimit, sampling: usual, effortsByModel: true,
	reasoningField: "reasoning_content", reasoningHistory: inToolLoop, resultMedia: inUser, documents: never, toolNames: shorten, customTools: asFunction, user: true,
	responses: auto,
	// Neither changes an answer, and strict upstreams refuse both.
	responsesWithout: []string{"client_metadata", "prompt_cache_retention"},
}

// quirksOf are the quirks of an upstream by its host.
func quirksOf(host string) quirks {
	q := usualQuirks
	switch host = strings.ToLower(host); {
	case host == "api.openai.com", strings.HasSuffix(host, ".api.openai.com"), strings.HasSuffix(host, ".openai.azure.com"):
		q.official = true
		q.developerRole, q.midSystem, q.limitField, q.customTools = keep, keep, newLimit, keep
		q.reasoningHistory, q.documents, q.cacheKey = never, asFile, true
		q.lacks = []chat.Need{chat.StopTexts} // its models that think refuse them
		q.responsesKnown, q.responsesWithout = !strings.HasSuffix(host, ".azure.com"), nil
	case host == "openrouter.ai":
		q.documents = asFile
	case host == "api.mistral.ai": // which refuses what it does not know
		q.reasoningHistory, q.user = never, false
	}
	return q
}

// lackable are the needs that some upstreams of this API can't meet.
var lackable = []chat.Need{
	chat.Tools, chat.FreeTools, chat.Pictures, chat.Papers, chat.Sounds, chat.ToolMedia, chat.JSONObject, chat.JSONSchema,
	chat.StopTexts, chat.OutputLimit, chat.Words,
}

// carries tells whether a request of another dialect can ask for it.
func (q *quirks) carries(need chat.Need) bool {
	switch need {
	case chat.Papers:
		return q.documents != never && !slices.Contains(q.lacks, need)
	case chat.OutputLimit:
		return q.limitField != never && !slices.Contains(q.lacks, need)
	case chat.TextPapers, chat.Tuning:
		return true
	default:
		return slices.Contains(lackable, need) && !slices.Contains(q.lacks, need)
	}
}

// tuned are the fields that only tune and that upstreams of this API know, by the names that
// dialects give them; each with whether this one is sent it.
var tuned = map[string]func(*quirks) bool{
	"temperature": (*quirks).anySampling, "top_p": (*quirks).anySampling, "presence_penalty": (*quirks).anySampling,
	"frequency_penalty": (*quirks).anySampling, "seed": (*quirks).anySampling, "logit_bias": (*quirks).anySampling,
	"top_k":    func(q *quirks) bool { return q.sampling == always },
	"thinking": (*quirks).anyEffort, "output_config.effort": (*quirks).anyEffort, "reasoning_effort": (*quirks).anyEffort, "reasoning": (*quirks).anyEffort,
	"metadata": (*quirks).anyIdentity, "user": (*quirks).anyIdentity, "safety_identifier": (*quirks).anyIdentity,
	"prompt_cache_key":    func(q *quirks) bool { return q.cacheKey },
	"service_tier":        func(q *quirks) bool { return q.official },
	"verbosity":           func(*quirks) bool { return true },
	"parallel_tool_calls": func(*quirks) bool { return true },
	"messages.name":       func(*quirks) bool { return true },
	"messages.detail":     func(*quirks) bool { return true },
}

func (q *quirks) anySampling() bool { return q.sampling != never }

func (q *quirks) anyEffort() bool { return q.effortsByModel || len(q.efforts) > 0 }

func (q *quirks) anyIdentity() bool { return q.user || q.cacheKey }

// efforts are all of them, by growing amount.
var efforts = []chat.Effort{
	chat.EffortNone, chat.EffortMinimal, chat.EffortLow, chat.EffortMedium, chat.EffortHigh, chat.EffortXHigh, chat.EffortMax,
}

// effort is the word for a wish that comes nearest among those that the model takes; empty:
// none is to be sent.
func (q *quirks) effort(model string, wish chat.Thinking) chat.Effort {
	taken := q.efforts
	if q.effortsByModel && reasons(model) {
		taken = []chat.Effort{chat.EffortLow, chat.EffortMedium, chat.EffortHigh}
	}
	wanted := slices.Index(efforts, wish.InEffort())
	if wanted < 0 || len(taken) == 0 {
		return ""
	}
	least, best := "", ""
	for i, effort := range efforts {
		switch {
		case !slices.Contains(taken, effort), effort == chat.EffortNone && wanted > i:
			continue
		case least == "":
			least = string(effort)
		}
		if i <= wanted {
			best = string(effort)
		}
	}
	if best == "" {
		best = least
	}
	return chat.Effort(best)
}

// reasoners are the names of OpenAI's models that think, behind the name of a provider.
var reasoners = ondemand.Regexp(`(^|/)(o[1-9]|gpt-([5-9]|oss))`)

func reasons(model string) bool {
	return reasoners.MatchString(model) && !strings.Contains(model, "-chat")
}

// samples tells whether a model takes what shifts its sampling: OpenAI's that think refuse
// it.
func (q *quirks) samples(model string) bool {
	return q.sampling == always || q.sampling == usual && (!q.official || !reasons(model))
}
