package foreign

import (
	"encoding/json"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"carousel.internal/proto/service/secret"
)

// The lists of accounts in config.yaml of CLIProxyAPI 6 and 7.
const (
	cpaGemini     = "gemini-api-key"
	cpaCodex      = "codex-api-key"
	cpaClaude     = "claude-api-key"
	cpaXAI        = "xai-api-key"
	cpaVertex     = "vertex-api-key"
	cpaNative     = "interactions-api-key"
	cpaCompatible = "openai-compatibility"
	cpaClients    = "api-keys"
	cpaProxy      = "proxy-url"
)

var cpaLists = []string{cpaGemini, cpaCodex, cpaClaude, cpaXAI, cpaVertex, cpaNative, cpaCompatible}

// knowsCLIProxyAPI knows its config.yaml, and the files of its folder of logins.
func knowsCLIProxyAPI(s *source) bool {
	if s.json != nil {
		login, is := cpaLoginOf(s.json)
		return is && login.Type != ""
	}
	return s.has(cpaLists...) || s.has(cpaClients) && s.has("auth-dir", "remote-management")
}

func readCLIProxyAPI(d *draft, s *source) {
	if s.json != nil {
		d.cpaLogin(s.json)
		return
	}
	d.cpaConfig(s.yaml)
}

// cpaLogin is a file of a login: what all kinds have in common, and what one of Cursor's has.
type cpaLogin struct {
	Type     string `json:"type"`
	Email    string `json:"email"`
	Label    string `json:"label"`
	Access   string `json:"access_token"`
	Refresh  string `json:"refresh_token"`
	Proxy    string `json:"proxy_url"`
	Weight   scalar `json:"weight"`
	Disabled bool   `json:"disabled"`
}

// cpaKinds are the kinds of logins, and whose they are.
var cpaKinds = map[string]string{
	"claude": "Claude", "codex": "Codex (ChatGPT)", "gemini": "Gemini CLI", "gemini-cli": "Gemini CLI", "antigravity": "Antigravity",
	"qwen": "Qwen Code", "iflow": "iFlow", "kimi": "Kimi", "xai": "xAI", "vertex": "Vertex AI", "aistudio": "AI Studio", "kiro": "Kiro",
	"github-copilot": "GitHub Copilot", "cline": "Cline", cursor: "Cursor",
}

// cpaLoginOf reads the file of a login; false where it is none.
func cpaLoginOf(content json.RawMessage) (cpaLogin, bool) {
	var login cpaLogin
	if json.Unmarshal(content, &login) != nil {
		return login, false
	}
	return login, cpaKinds[login.Type] != ""
}

// cpaLogin takes over a login of Cursor's, which forks of CLIProxyAPI have.
func (d *draft) cpaLogin(content json.RawMessage) {
	login, _ := cpaLoginOf(content)
	name := firstOf(login.Email, login.Label, strings.TrimSuffix(d.file, ".json"))
	switch {
	case login.Type != cursor:
		d.leave("", KindToken, name, "%s", noLogin(cpaKinds[login.Type]))
		return
	case login.Access == "":
		d.leave("", KindToken, name, "it has no access_token")
		return
	}
	proxy, note := proxyOf(login.Proxy)
	d.token("", Token{
		Upstream: d.cursorUpstream(""), Secret: secret.New(login.Access), Refresh: secret.New(login.Refresh), Proxy: proxy,
		Alias: name, Weight: login.Weight.share(), Disabled: login.Disabled,
	}, note)
}

// cursorUpstream is Cursor.
func (d *draft) cursorUpstream(at string) *Upstream {
	return d.upstream(at, cursor, cursor, "https://api2.cursor.sh")
}

// firstOf is the first text that is not empty.
func firstOf(texts ...string) string {
	at := slices.IndexFunc(texts, func(text string) bool { return text != "" })
	if at < 0 {
		return ""
	}
	return texts[at]
}

// cpaEntry is a provider, or a key of one.
type cpaEntry struct {
	Name     scalar      `yaml:"name"`
	Key      scalar      `yaml:"api-key"`
	Base     scalar      `yaml:"base-url"`
	Proxy    scalar      `yaml:"proxy-url"`
	Weight   scalar      `yaml:"weight"`
	Disabled scalar      `yaml:"disabled"`
	Keys     []yaml.Node `yaml:"api-key-entries"`
	// OldKeys were written before 6.2.
	OldKeys []yaml.Node `yaml:"api-keys"`
	Models  []struct {
		Name  scalar `yaml:"name"`
		Alias scalar `yaml:"alias"`
	} `yaml:"models"`
}

// cpaRead are the members of an entry that have a meaning here. Those in cpaQuiet need none.
var (
	cpaRead  = []string{"name", "api-key", "base-url", cpaProxy, "weight", "disabled", "api-key-entries", "api-keys", "models"}
	cpaQuiet = []string{"disable-cooling", "request-retry", "request-scoped-errors", "cloak", "fingerprint-profile", "experimental-cch-signing"}
)

func (d *draft) cpaConfig(config *yaml.Node) {
	before := len(d.upstreams)
	var settings []string
	for key, value := range members(config) {
		value = meant(value)
		switch name := key.Value; name {
		case cpaClients:
			d.cpaClients(value)
		case cpaProxy:
		case cpaGemini:
			d.cpaEntries(value, cpaPlace{name: "gemini", driver: openai, base: compatible["gemini"], fixed: true, note: viaCompatible})
		case cpaCodex:
			d.cpaEntries(value, cpaPlace{driver: openai})
		case cpaXAI:
			_, base, _ := providerOf("xai")
			d.cpaEntries(value, cpaPlace{name: "xai", driver: openai, base: base})
		case cpaClaude:
			_, base, _ := providerOf(anthropic)
			d.cpaEntries(value, cpaPlace{driver: anthropic, base: base})
		case cpaCompatible:
			d.cpaEntries(value, cpaPlace{driver: openai})
		case cpaVertex, cpaNative:
			for _, entry := range elements(value) {
				d.leave(line(entry), KindToken, name, "no driver of Carousel speaks the API that it is for")
			}
		default:
			settings = append(settings, name)
		}
	}
	if len(settings) > 0 {
		d.leave("", KindSetting, strings.Join(settings, ", "), "Carousel has settings of its own: the page Settings")
	}
	if proxy := member(config, cpaProxy); proxy != nil && proxy.Value != "" && len(d.upstreams) > before {
		d.cpaProxyOfAll(proxy)
	}
}

// cpaClients are the keys of clients: texts without a name.
func (d *draft) cpaClients(list *yaml.Node) {
	for _, key := range elements(list) {
		d.leave(line(key), KindKey, "", madeHere)
	}
}

// cpaProxyOfAll gives the proxy of all to each upstream of the file that has none.
func (d *draft) cpaProxyOfAll(node *yaml.Node) {
	proxy, _ := proxyOf(node.Value)
	if proxy.Empty() {
		return
	}
	for _, item := range d.plan.Items {
		if item.File == d.file && item.Upstream != nil {
			item.Upstream.Proxy = proxy
		}
	}
	d.add(Item{At: line(node), Kind: KindSetting, Name: cpaProxy, Verdict: Changed}, "it becomes the proxy of each new upstream")
}

// cpaPlace is where the accounts of a list are for.
type cpaPlace struct {
	name, driver, base string
	// fixed: an address of its own is of another API.
	fixed bool
	note  string
}

func (d *draft) cpaEntries(list *yaml.Node, place cpaPlace) {
	for _, node := range elements(list) {
		var entry cpaEntry
		if node.Decode(&entry) != nil {
			d.leave(line(node), KindToken, "", "not the form of an account")
			continue
		}
		d.cpaEntry(node, entry, place)
	}
}

func (d *draft) cpaEntry(node *yaml.Node, entry cpaEntry, place cpaPlace) {
	base := firstOf(string(entry.Base), place.base)
	name := firstOf(string(entry.Name), place.name)
	switch {
	case place.fixed && entry.Base != "" && !strings.HasPrefix(string(entry.Base), "https://generativelanguage.googleapis.com"):
		d.leave(line(node), KindToken, name, "its address is one of Gemini's own API, which no driver of Carousel speaks")
		return
	case base == "":
		d.leave(line(node), KindToken, name, "it has no base-url")
		return
	case badBase(base) != "":
		d.leave(line(node), KindToken, name, "%s", badBase(base))
		return
	case place.fixed:
		base = place.base
	}
	u := d.upstream(line(node), name, place.driver, base, place.note)
	models := make([]string, 0, len(entry.Models))
	for _, model := range entry.Models {
		if model.Name == "" {
			continue
		}
		models = append(models, string(model.Name))
		d.leads(line(node), firstOf(string(model.Alias), string(model.Name)), Target{Upstream: u, Model: string(model.Name), Weight: 1})
	}
	u.serves(models...)
	notes := d.cpaNotes(node)
	if entry.Key != "" {
		d.cpaKey(node, u, entry, entry, notes)
	}
	for i := range entry.Keys {
		key := cpaEntry{}
		if entry.Keys[i].Decode(&key) != nil {
			d.leave(line(&entry.Keys[i]), KindToken, u.Name, "not the form of a key")
			continue
		}
		d.cpaKey(&entry.Keys[i], u, entry, key, notes)
	}
	for i := range entry.OldKeys {
		d.cpaKey(&entry.OldKeys[i], u, entry, cpaEntry{Key: scalar(entry.OldKeys[i].Value)}, notes)
	}
}

// cpaKey adds one key of a provider.
func (d *draft) cpaKey(node *yaml.Node, u *Upstream, of, key cpaEntry, notes []string) {
	proxy, note := proxyOf(firstOf(string(key.Proxy), string(of.Proxy)))
	d.token(line(node), Token{
		Upstream: u, Secret: secret.New(string(key.Key)), Proxy: proxy, Weight: key.Weight.share(), Disabled: of.Disabled.truth(),
	}, append(slices.Clone(notes), note)...)
}

// cpaNotes says which members of an entry are left.
func (d *draft) cpaNotes(node *yaml.Node) []string {
	var others []string
	for key := range members(meant(node)) {
		if !slices.Contains(cpaRead, key.Value) && !slices.Contains(cpaQuiet, key.Value) {
			others = append(others, shown(key.Value))
		}
	}
	if len(others) == 0 {
		return nil
	}
	return []string{"left: " + strings.Join(others, ", ")}
}
