package models

import "strings"

// byDefault lets the upstream choose, which clients also call auto.
const (
	byDefault = "default"
	auto      = "auto"
)

// fast ends the flat ids of models that are served faster, behind everything else.
const fast = "-fast"

// family is what is known of models whose ids begin alike, without asking the upstream.
type family struct {
	// name is the family's id, without an effort.
	name string
	// efforts are those that its flat ids may end in; bare is the one that an id without
	// says, or empty where there is no such id and usual is sent.
	efforts     []string
	bare, usual string
	// effortFirst: an effort stands before `-thinking`, as in older ids.
	effortFirst bool
	// window is in tokens.
	window int
	vision bool
}

// efforts that several families have.
var (
	lowToHigh  = []string{"low", "medium", "high"}
	lowToXHigh = []string{"low", "medium", "high", "xhigh"}
	lowToMax   = []string{"low", "medium", "high", "xhigh", "max"}
)

const (
	window200k = 200_000
	window262k = 262_000
	window272k = 272_000
	window400k = 400_000
	window500k = 500_000
	window1M   = 1_000_000
)

// families are the known ones. They age within months: the upstream's own list goes before.
var families = []family{
	{name: "claude-opus-4-7", efforts: lowToMax, usual: "medium", window: window1M, vision: true},
	{name: "claude-opus-4-8", efforts: lowToMax, usual: "medium", window: window1M, vision: true},
	{name: "claude-opus-5", efforts: lowToMax, usual: "medium", window: window1M, vision: true},
	{name: "claude-sonnet-5", efforts: lowToMax, usual: "medium", window: window1M, vision: true},
	{name: "claude-fable-5", efforts: lowToMax, usual: "medium", window: window1M, vision: true},
	{name: "claude-4.6-opus", efforts: []string{"high", "max"}, usual: "high", effortFirst: true, window: window200k, vision: true},
	{name: "claude-4.6-sonnet", efforts: []string{"medium"}, usual: "medium", effortFirst: true, window: window200k, vision: true},
	{name: "claude-4.5-opus", efforts: []string{"high"}, usual: "high", effortFirst: true, window: window200k, vision: true},
	{name: "claude-4.5-sonnet", window: window200k, vision: true},
	{name: "claude-4-sonnet", window: window200k, vision: true},
	{name: "gpt-5-mini", window: window400k, vision: true},
	{name: "gpt-5.1", efforts: []string{"low", "high"}, bare: "medium", vision: true},
	{name: "gpt-5.2", efforts: []string{"low", "high", "xhigh"}, bare: "medium", vision: true},
	{name: "gpt-5.3-codex", efforts: []string{"low", "high", "xhigh"}, bare: "medium", vision: true},
	{name: "gpt-5.4-mini", efforts: append([]string{"none"}, lowToXHigh...), usual: "medium", window: window400k, vision: true},
	{name: "gpt-5.4-nano", efforts: append([]string{"none"}, lowToXHigh...), usual: "medium", vision: true},
	{name: "gpt-5.4", efforts: lowToXHigh, usual: "medium", vision: true},
	{name: "gpt-5.5", efforts: []string{"none", "low", "medium", "high", "extra-high"}, usual: "medium", window: window1M, vision: true},
	{name: "gpt-5.6-sol", efforts: append([]string{"none"}, lowToMax...), usual: "medium", window: window1M, vision: true},
	{name: "gpt-5.6-terra", efforts: append([]string{"none"}, lowToMax...), usual: "medium", window: window272k, vision: true},
	{name: "gpt-5.6-luna", efforts: append([]string{"none"}, lowToMax...), usual: "medium", window: window1M, vision: true},
	{name: "cursor-grok-4.5", efforts: lowToHigh, usual: "medium", window: window500k, vision: true},
	{name: "cursor-grok-4.6", efforts: lowToXHigh, usual: "medium", window: window500k, vision: true},
	{name: "grok-4.7", efforts: lowToXHigh, usual: "medium", vision: true},
	{name: "gemini-3.6-flash", efforts: append([]string{"minimal"}, lowToHigh...), usual: "medium", window: window1M, vision: true},
	{name: "gemini-3.7-flash", efforts: lowToHigh, usual: "medium", window: window1M, vision: true},
	{name: "glm-5.2", efforts: []string{"high", "max"}, usual: "high", window: window1M},
	{name: "kimi-k3", efforts: []string{"low", "high", "max"}, usual: "high", window: window1M, vision: true},
	{name: "kimi-k2.7-code", window: window262k, vision: true},
}

// makers are what is known of the models of one maker; the family is what is left of the id.
var makers = []family{
	{name: "composer-", window: window200k},
	{name: byDefault},
	{name: "glm-"},
	{name: "gemini-", window: window1M, vision: true},
}

// familyOf finds the family of a flat id.
func familyOf(id string) family {
	for _, known := range families {
		if rest, ours := strings.CutPrefix(id, known.name); ours && (rest == "" || rest[0] == '-') {
			return known
		}
	}
	for _, maker := range makers {
		if strings.HasPrefix(id, maker.name) {
			maker.name = withoutSuffixes(id)
			return maker
		}
	}
	return family{name: withoutSuffixes(id), vision: true}
}

// withoutSuffixes takes what says how a model is to work off its flat id.
func withoutSuffixes(id string) string {
	for {
		cut := strings.TrimSuffix(strings.TrimSuffix(id, fast), "-"+thinkingMark)
		for _, names := range tiers {
			for _, effort := range names {
				cut = strings.TrimSuffix(cut, "-"+effort)
			}
		}
		if cut == id || cut == "" {
			return id
		}
		id = cut
	}
}

// flat is the flat id of the family's model with an effort. An id that says one keeps it, and
// so does one that says something unknown.
func (f family) flat(id, effort string) string {
	if len(f.efforts) == 0 {
		return id
	}
	rest, isFast := strings.CutSuffix(id[len(f.name):], fast)
	thinks := rest == "-"+thinkingMark
	if rest != "" && !thinks {
		return id
	}
	offered := f.efforts
	if f.bare != "" {
		offered = append([]string{f.bare}, offered...)
	}
	chosen, found := nearest(effort, offered)
	switch {
	case !found && f.usual == "", chosen != "" && chosen == f.bare:
		return id
	case !found:
		chosen = f.usual
	}
	parts := []string{f.name, chosen}
	switch {
	case thinks && f.effortFirst:
		parts = append(parts, thinkingMark)
	case thinks:
		parts = []string{f.name, thinkingMark, chosen}
	}
	if isFast {
		parts = append(parts, fast[1:])
	}
	return strings.Join(parts, "-")
}
