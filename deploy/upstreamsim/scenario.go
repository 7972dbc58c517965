package upstreamsim

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// API is a side of the simulator.
type API string

// The sides of the simulator, and what belongs to none.
const (
	Cursor API = "cursor"
	// CursorAgent is what Cursor serves today: dialect C.
	CursorAgent API = "cursor-agent"
	OpenAI      API = "openai"
	// OpenAIResponses is the Responses API of the OpenAI side.
	OpenAIResponses API = "openai-responses"
	Anthropic       API = "anthropic"
	unknown         API = "unknown"
)

// Names of the scenarios that have a parameter; they show how it is written.
const (
	errorForm          = "error-<n>"
	errorCodeForm      = "error-code-<code>"
	errorAfterTextForm = "error-after-text-<n>"
	httpForm           = "http-<status>"
	countForm          = "count-<n>"
	delayForm          = "delay-<ms>"
	loopForm           = "agent-loop-<n>"
)

const normal = "echo"

// scenario is a parsed name.
type scenario struct {
	kind    string // the name, or the form of a name with a parameter
	number  int
	variant string
}

// form reads names of the kind prefix, number, "-", variant.
type form struct {
	prefix, kind string
	least, most  int
	variants     []string
}

var forms = []form{
	{"error-after-text-", errorAfterTextForm, 0, 999, nil},
	{"error-", errorForm, 0, 999, []string{"no-debug", "empty-details", "gzip"}},
	{"http-", httpForm, 200, 599, []string{"html", "empty", "quota"}},
	{"count-", countForm, 1, maxCount, nil},
	{"agent-loop-", loopForm, 1, 100, nil},
	{"delay-", delayForm, 0, 600_000, nil},
}

func (f form) parse(name string) (scenario, bool) {
	rest, ok := strings.CutPrefix(name, f.prefix)
	if !ok {
		return scenario{}, false
	}
	digits, variant, varied := strings.Cut(rest, "-")
	number, err := strconv.Atoi(digits)
	if err != nil || number < f.least || number > f.most || varied && !slices.Contains(f.variants, variant) {
		return scenario{}, false
	}
	return scenario{f.kind, number, variant}, true
}

// parseScenario reads a name; that a side has the scenario is not said.
func parseScenario(name string) scenario {
	if code, ok := strings.CutPrefix(name, "error-code-"); ok {
		return scenario{kind: errorCodeForm, variant: code}
	}
	for _, form := range forms {
		if parsed, ok := form.parse(name); ok {
			return parsed
		}
	}
	return scenario{kind: name}
}

// scenarioOf answers the scenario that a model id names, else the normal one.
func scenarioOf(model string) string {
	if model == "echo-request" || model == "tool-call" {
		return model
	}
	before, name, found := strings.Cut(model, "sim-")
	if !found || before != "" && !strings.HasSuffix(before, "-") && !strings.HasSuffix(before, "/") {
		return normal
	}
	return name
}

// Scenarios answers the names and forms of a side's scenarios, in order.
func Scenarios(api API) []string {
	switch api {
	case Cursor:
		return slices.Sorted(maps.Keys(cursorScripts))
	case CursorAgent:
		return slices.Sorted(maps.Keys(agentScripts))
	case OpenAI:
		return slices.Sorted(maps.Keys(openAIScripts))
	case OpenAIResponses:
		return slices.Sorted(maps.Keys(responsesScripts))
	case Anthropic:
		return slices.Sorted(maps.Keys(anthropicScripts))
	default:
		return nil
	}
}
