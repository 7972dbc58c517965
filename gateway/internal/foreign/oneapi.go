package foreign

import (
	"encoding/json"
	"fmt"
	"strings"

	"carousel.internal/gateway/internal/sqlitefile"
	"carousel.internal/proto/service/secret"
)

// knowsOneAPI knows the SQLite databases of One API and New API.
func knowsOneAPI(s *source) bool {
	return s.database != nil && s.database.Has("channels", "tokens") && !s.database.Has("groups")
}

// oneChannel says where the keys of a kind of channel are for. In New API kinds have the numbers of
// One API up to 41 or so; later ones are New API's.
type oneChannel struct {
	label, service string
	// suffix is what the channel's address lacks.
	suffix string
}

// oneChannels are the kinds that a driver speaks with.
var oneChannels = map[string]oneChannel{
	"1": {"OpenAI", openai, "/v1"}, "8": {"a custom address", "", ""}, "6": {"OpenAI Max", "", "/v1"}, "7": {"OhMyGPT", "", "/v1"},
	"4": {"Ollama", "ollama", "/v1"}, "14": {"Anthropic", anthropic, ""}, "20": {"OpenRouter", "openrouter", "/v1"},
	"17": {"Ali", "dashscope", ""}, "24": {"Gemini", "gemini", ""}, "25": {"Moonshot", "moonshot-cn", "/v1"}, "26": {"Zhipu", "zhipu", ""},
	"27": {"Perplexity", "perplexity", ""}, "31": {"Yi", "yi", "/v1"}, "40": {"SiliconFlow", "siliconflow", "/v1"},
	"42": {"Mistral", "mistral", "/v1"}, "43": {"DeepSeek", "deepseek", "/v1"}, "45": {"VolcEngine", "volcengine", ""}, "48": {"xAI", "xai", "/v1"},
}

// oneOthers are labels of kinds that none speaks with, for the reason.
var oneOthers = map[string]string{
	"2": "Midjourney", "3": "Azure OpenAI", "5": "Midjourney Plus", "11": "PaLM", "15": "Baidu", "16": "Zhipu's older API", "18": "Xunfei", "22": "FastGPT",
	"23": "Tencent", "33": "AWS Bedrock", "34": "Cohere", "35": "MiniMax", "36": "Suno", "37": "Dify", "38": "Jina", "39": "Cloudflare", "41": "Vertex AI",
	"44": "Moka AI", "46": "Baidu", "47": "Xinference", "49": "Coze", "50": "Kling", "51": "Jimeng", "52": "Vidu", "57": "Codex",
}

// native are the kinds that are spoken with in the OpenAI API where One API speaks another one.
var native = map[string]bool{"4": true, "17": true, "24": true, "26": true, "45": true}

func readOneAPI(d *draft, s *source) {
	d.warnOfLog(s.database)
	for row := range d.rows(s.database, "channels") {
		d.oneChannel(row)
	}
	for row := range d.rows(s.database, "tokens") {
		if text(row["deleted_at"]) == "" {
			d.leave("tokens, id "+string(cell(row, "id")), KindKey, string(cell(row, "name")), madeHere)
		}
	}
}

func (d *draft) oneChannel(row sqlitefile.Row) {
	at, name, kind := "channels, id "+string(cell(row, "id")), string(cell(row, "name")), string(cell(row, "type"))
	driver, base, why := onePlace(kind, string(cell(row, "base_url")))
	if why != "" {
		d.leave(at, KindToken, name, "%s", why)
		return
	}
	var notes []string
	if native[kind] {
		notes = append(notes, viaCompatible)
	}
	service := oneChannels[kind].service
	if service == openai && cell(row, "base_url") != "" {
		service = "" // a relay: it is called by its address
	}
	u := d.upstream(at, service, driver, base, notes...)
	models := list(string(cell(row, "models")), ",")
	renamed := map[string]scalar{}
	_ = json.Unmarshal([]byte(cell(row, "model_mapping")), &renamed) // where there is none nothing is renamed
	for i, model := range models {
		models[i] = firstOf(string(renamed[model]), model)
		d.leads(at, model, Target{Upstream: u, Model: models[i], Weight: 1})
	}
	u.serves(models...)
	d.oneKeys(row, at, name, u)
}

// oneKeys adds the keys of a channel: one, or one a line.
func (d *draft) oneKeys(row sqlitefile.Row, at, name string, u *Upstream) {
	var info struct {
		Multi  bool           `json:"is_multi_key"`
		Status map[string]int `json:"multi_key_status_list"`
	}
	_ = json.Unmarshal([]byte(cell(row, "channel_info")), &info) // older ones have none
	var setting struct {
		Proxy string `json:"proxy"`
	}
	_ = json.Unmarshal([]byte(cell(row, "setting")), &setting) // likewise
	proxy, _ := proxyOf(setting.Proxy)
	var notes []string
	if priority := cell(row, "priority"); priority != "" && priority != "0" {
		notes = append(notes, "its priority is left: tokens of an upstream share the work; where one is to come first make a route")
	}
	for _, each := range []string{"param_override", "header_override", "status_code_mapping"} {
		if present(json.RawMessage(cell(row, each))) {
			notes = append(notes, "left: "+each)
		}
	}
	const enabled = "1"
	keys := list(string(cell(row, "key")), "\n")
	for i, key := range keys {
		where := at
		if len(keys) > 1 {
			where = fmt.Sprintf("%s, key %d", at, i+1)
		}
		status, said := info.Status[fmt.Sprint(i)]
		d.token(where, Token{
			Upstream: u, Secret: secret.New(key), Alias: name, Proxy: proxy, Weight: max(cell(row, "weight").share(), 1),
			Disabled: cell(row, "status") != enabled || said && status != 1,
		}, notes...)
	}
	if len(keys) == 0 {
		d.leave(at, KindToken, name, "it has no key")
	}
}

// onePlace is where a channel's keys are for.
func onePlace(kind, own string) (driver, base, why string) {
	channel, known := oneChannels[kind]
	if !known {
		return "", "", "no driver of Carousel speaks with " + firstOf(oneOthers[kind], "channels of type "+shown(kind))
	}
	if own != "" && badBase(own) != "" {
		return "", "", badBase(own)
	}
	own = BaseURL(own)
	driver, base, there := providerOf(channel.service)
	switch {
	case own == "" && !there:
		return "", "", "it has no address"
	case own == "":
		return driver, base, ""
	case kind == "8": // the whole address of the chat endpoint, or what stands before it
		return openai, strings.TrimSuffix(own, "/chat/completions"), ""
	case native[kind] && kind != "4":
		if strings.HasPrefix(base, own) {
			return driver, base, ""
		}
		return "", "", "its address is one of " + channel.label + "'s own API, which no driver of Carousel speaks"
	case channel.service == anthropic:
		return anthropic, own, ""
	}
	if !there {
		driver = openai
	}
	return driver, strings.TrimSuffix(own, channel.suffix) + channel.suffix, ""
}

// list parts a text, without what is empty.
func list(text, separator string) (parts []string) {
	for part := range strings.SplitSeq(text, separator) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
