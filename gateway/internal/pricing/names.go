package pricing

import (
	"strings"

	"carousel.internal/gateway/internal/ondemand"
)

// A model that the built-in table does not list by the id that its upstream has for it is looked
// for by simpler names, one after the other, each made of the one before. None of the steps may
// lead to another model, nor to one that costs something else: so `-fast`, `-mini`, `-preview` or
// `:free` stay.
//
//   - In front, `openai/` and the like name the maker, and only the maker's models are looked at.
//   - Letters are compared in lower case, and the points in versions of Claude are dashes.
//   - Behind, a date (`-20250514`, `@20250514`, `-2024-08-06`) or `-latest` goes. A name without
//     a date is the newest of those with one.
//   - Then goes what Cursor adds for how a model is asked: `-thinking`, an effort, a window.
//   - Cursor's `claude-4.5-sonnet` is Anthropic's `claude-sonnet-4-5`.
//   - Where only the preview of a model of Google's is listed, its name without `-preview` is
//     that.

// makers are the table's providers by what is put in front of their models' ids.
var makers = map[string]string{
	"openai": "openai", "anthropic": "anthropic", "google": "google", "models": "google", "gemini": "google",
	"deepseek": "deepseek", "deepseek-ai": "deepseek", "xai": "xai", "x-ai": "xai", "moonshotai": "moonshotai",
	"alibaba": "alibaba", "qwen": "alibaba", "zhipuai": "zhipuai", "z-ai": "zhipuai", "zai-org": "zhipuai",
	"mistral": "mistral", "mistralai": "mistral", "groq": "groq", "minimax": "minimax", "minimaxai": "minimax",
	"cohere": "cohere", "perplexity": "perplexity", "stepfun": "stepfun", "stepfun-ai": "stepfun",
}

// modes are what Cursor puts behind the ids of a maker's models. Of two that end alike the
// longer is first.
var modes = []struct {
	prefix  string
	endings []string
}{
	{"claude-", []string{"-thinking", "-none", "-low", "-medium", "-xhigh", "-high", "-max", "-200k"}},
	{"gpt-", []string{"-none", "-minimal", "-low", "-medium", "-xhigh", "-extra-high", "-high", "-128k"}},
	{"gemini-", []string{"-minimal", "-low", "-medium", "-high"}},
	{"grok-", []string{"-low", "-medium", "-xhigh", "-high"}},
	{"glm-", []string{"-high", "-max"}},
	{"kimi-", []string{"-low", "-high", "-max"}},
}

var (
	dated       = ondemand.Regexp(`(?:[-@]20\d{6}|-20\d{2}-\d{2}-\d{2})$`)
	versionedAs = ondemand.Regexp(`^claude-(\d+(?:-\d+)?)-([a-z]+)$`)
)

const latest = "-latest"

// canonical is a name as the table is looked up by.
func canonical(name string) string {
	name = strings.ToLower(name)
	if strings.HasPrefix(name, "claude-") {
		name = strings.ReplaceAll(name, ".", "-")
	}
	return name
}

// simpler are the steps, in order.
var simpler = []func(string) string{canonical, undated, unmoded, makersOwn}

// undated is a name without a date or `-latest`.
func undated(name string) string {
	return dated.Get().ReplaceAllString(strings.TrimSuffix(name, latest), "")
}

// unmoded is a name without Cursor's endings.
func unmoded(name string) string {
	for _, maker := range modes {
		if !strings.HasPrefix(name, maker.prefix) {
			continue
		}
		for cut := true; cut; {
			cut = false
			for _, ending := range maker.endings {
				if rest, has := strings.CutSuffix(name, ending); has {
					name, cut = rest, true
				}
			}
		}
	}
	return name
}

// makersOwn is Anthropic's name for what Cursor calls claude-4-5-sonnet.
func makersOwn(name string) string { return versionedAs.Get().ReplaceAllString(name, "claude-$2-$1") }
