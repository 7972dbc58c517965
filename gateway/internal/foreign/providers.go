package foreign

import "carousel.internal/gateway/internal/provider"

// The drivers that accounts of other gateways can be for.
const (
	openai    = "openai"
	anthropic = "anthropic"
	cursor    = "cursor"
)

// compatible are providers that have an address of the OpenAI API, beside those that the pages
// offer, by the names that other gateways have for them.
var compatible = map[string]string{
	"cerebras":      "https://api.cerebras.ai/v1",
	"cohere":        "https://api.cohere.ai/compatibility/v1",
	"dashscope":     "https://dashscope.aliyuncs.com/compatible-mode/v1",
	"deepinfra":     "https://api.deepinfra.com/v1/openai",
	"fireworks_ai":  "https://api.fireworks.ai/inference/v1",
	"gemini":        "https://generativelanguage.googleapis.com/v1beta/openai",
	"hyperbolic":    "https://api.hyperbolic.xyz/v1",
	"nebius":        "https://api.studio.nebius.ai/v1",
	"novita":        "https://api.novita.ai/v3/openai",
	"nvidia_nim":    "https://integrate.api.nvidia.com/v1",
	"perplexity":    "https://api.perplexity.ai",
	"qianfan":       "https://qianfan.baidubce.com/v2",
	"sambanova":     "https://api.sambanova.ai/v1",
	"siliconflow":   "https://api.siliconflow.cn/v1",
	"together_ai":   "https://api.together.xyz/v1",
	"volcengine":    "https://ark.cn-beijing.volces.com/api/v3",
	"yi":            "https://api.lingyiwanwu.com/v1",
	"zhipu":         "https://open.bigmodel.cn/api/paas/v4",
	"minimax":       "https://api.minimax.chat/v1",
	"moonshot-cn":   "https://api.moonshot.cn/v1",
	"github_models": "https://models.github.ai/inference",
}

// viaCompatible is said of what other gateways speak with in the provider's own API.
const viaCompatible = "asked by the provider's OpenAI-compatible address"

// providerOf is the driver and the address of a provider; false where it has no API that a driver
// speaks.
func providerOf(name string) (driver, base string, known bool) {
	if p, there := provider.Find(name); there && p.Driver != cursor {
		return p.Driver, p.URL, true
	}
	base, known = compatible[name]
	return openai, base, known
}

// noLogin says why logins of providers are left.
func noLogin(of string) string {
	return "a login of " + of + ": Carousel takes logins of Cursor, and API keys of all others"
}

// madeHere says why keys of clients are left.
const madeHere = "Carousel makes the secrets of its keys itself: make one with `carousel admin keys create` for whoever uses this one"
