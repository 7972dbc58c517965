package pricing

import (
	"strings"
	"testing"
)

// Every number of the file is what the table says, digit by digit.
func TestEveryFactIsReadExactly(t *testing.T) {
	t.Parallel()
	var columns []string
	rows, facts := 0, 0
	for line := range strings.Lines(builtInFile) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(line, "\t")
		if columns == nil {
			columns = cells
			continue
		}
		cell := map[string]string{}
		for i, name := range columns {
			cell[name] = cells[i]
		}
		got := builtIn().find(cell["model"])
		if got.Match != cell["model"] || got.provider != cell["provider"] {
			t.Errorf("%s is found as %s of %s", cell["model"], got.Match, got.provider)
		}
		for name, rate := range map[string]Rate{
			"input": got.Input, "output": got.Output, "cache_read": got.CacheRead, "cache_write": got.CacheWrite, "cache_write_hour": got.CacheWriteHour,
		} {
			if rate.Listed != (cell[name] != "") || rate.Listed && plain(rate.String()) != plain(cell[name]) {
				t.Errorf("%s: %s is %q, not %q", cell["model"], name, rate, cell[name])
			}
			if rate.Listed {
				facts++
			}
		}
		if got.Reasoning.Listed {
			t.Errorf("%s: thinking has a price that nobody lists", cell["model"])
		}
		rows++
	}
	if rows != len(builtIn().rows) || rows != 238 || facts < 2*rows {
		t.Errorf("%d rows of %d, %d facts", rows, len(builtIn().rows), facts)
	}
	if listed := BuiltIn(); len(listed) != rows {
		t.Errorf("%d are listed", len(listed))
	}
}

// plain is a number without the zeros that say nothing.
func plain(number string) string {
	if !strings.Contains(number, ".") {
		return number
	}
	return strings.TrimSuffix(strings.TrimRight(number, "0"), ".")
}

// What is kept for an hour costs twice the input, and only with the maker whose rule that is.
func TestWritesForAnHour(t *testing.T) {
	t.Parallel()
	for _, each := range builtIn().rows {
		isClaude := each.provider == "anthropic"
		if each.CacheWriteHour.Listed != isClaude || isClaude && each.CacheWriteHour.Pico != each.Input.Pico.Times(2) {
			t.Errorf("%s: %s for an hour, %s usually", each.Match, each.CacheWriteHour, each.Input)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		// As they are listed.
		"gpt-5": "gpt-5", "claude-sonnet-4-5-20250929": "claude-sonnet-4-5-20250929", "gpt-4o-2024-05-13": "gpt-4o-2024-05-13",
		"openai/gpt-oss-120b": "openai/gpt-oss-120b", "qwen/qwen3-32b": "qwen/qwen3-32b", "qwen3-32b": "qwen3-32b", "minimax-m2.5": "MiniMax-M2.5",
		"kimi-k2-thinking": "kimi-k2-thinking", "gpt-5.1-codex-max": "gpt-5.1-codex-max", "qwen3.7-max": "qwen3.7-max", "step-1-32k": "step-1-32k",
		// Dates.
		"gpt-5-2025-08-07": "gpt-5", "gpt-4-turbo-2024-04-09": "gpt-4-turbo", "claude-opus-4-6@20260205": "claude-opus-4-6",
		"claude-sonnet-4": "claude-sonnet-4-20250514", "claude-3-5-sonnet": "claude-3-5-sonnet-20241022", "claude-3-7-sonnet-latest": "claude-3-7-sonnet-20250219",
		"claude-sonnet-4-5": "claude-sonnet-4-5",
		// Makers.
		"anthropic/claude-sonnet-4.5": "claude-sonnet-4-5", "openai/gpt-5-mini": "gpt-5-mini", "google/gemini-2.5-pro": "gemini-2.5-pro", "models/gemini-2.5-flash": "gemini-2.5-flash",
		"x-ai/grok-4.3": "grok-4.3", "z-ai/glm-4.6": "glm-4.6", "MiniMaxAI/MiniMax-M2": "MiniMax-M2", "Anthropic/claude-3-haiku": "claude-3-haiku-20240307",
		// Cursor's.
		"claude-4.5-sonnet": "claude-sonnet-4-5", "claude-4.5-sonnet-thinking": "claude-sonnet-4-5", "claude-4-sonnet": "claude-sonnet-4-20250514",
		"claude-4.6-opus-high-thinking": "claude-opus-4-6", "claude-opus-4-8-thinking-xhigh": "claude-opus-4-8", "claude-fable-5-max": "claude-fable-5", "claude-3.5-sonnet": "claude-3-5-sonnet-20241022",
		"gpt-5.5-extra-high": "gpt-5.5", "gpt-5.4-mini-high": "gpt-5.4-mini", "gpt-5.3-codex-xhigh": "gpt-5.3-codex", "gpt-5.1-codex-max-high": "gpt-5.1-codex-max",
		"gemini-3-flash": "gemini-3-flash-preview", "gemini-3.1-pro": "gemini-3.1-pro-preview", "glm-5.2-max": "glm-5.2", "gpt-4o-128k": "gpt-4o", "claude-3-haiku-200k": "claude-3-haiku-20240307",
		// Other models, and what costs something else.
		"": "", "default": "", "auto": "", "composer-2.5": "", "gpt-5.5-fast": "", "gpt-5.4-high-fast": "", "gpt-4-32k": "", "gpt-5-turbo": "", "gpt-6": "", "gpt-4-0613": "",
		"claude-3.5-haiku": "", "claude-2": "", "gpt-oss-120b": "", "anthropic/gpt-5": "", "openai/claude-sonnet-4-5": "", "someone/gpt-5": "", "openai/gpt-5:free": "", "groq/gpt-5": "",
		"qwen3.5-max": "", "kimi-k2.5-thinking": "", "gemini-2.0-flash-thinking-exp": "", "gemini-exp-1206": "", "gpt-5.2-codex-max": "", "text-embedding-3": "", "o1-preview": "", "openai/": "", "/": "",
	} {
		if got := builtIn().find(name).Match; got != want {
			t.Errorf("%q is priced as %q, want %q", name, got, want)
		}
	}
}

func TestBadTables(t *testing.T) {
	t.Parallel()
	const head = "provider\tmodel\tinput\toutput\tmax_output\n"
	for file, want := range map[string]string{
		"":                                       "no line that names the columns",
		"a\tb\n":                                 "no column `model`",
		head + "p\tm\tx\t1\t1\n":                 "line 2: input: ",
		head + "p\tm\t1\t1\tmany\n":              "line 2: max_output: ",
		head + "p\tm\t1\t1\t1\n#\np\tM\t1\t1\t1": "listed twice",
	} {
		if _, err := readBuiltIn(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
	}
}
