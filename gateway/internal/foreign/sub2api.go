package foreign

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"

	"carousel.internal/proto/service/secret"
)

// subBundle is what sub2api's page of accounts exports and imports.
type subBundle struct {
	Type     string       `json:"type"`
	Proxies  []subProxy   `json:"proxies"`
	Accounts []subAccount `json:"accounts"`
	// Data is the bundle in the answer of its API.
	Data *subBundle `json:"data"`
}

type subProxy struct {
	Key      string `json:"proxy_key"`
	Protocol string `json:"protocol"`
	Host     string `json:"host"`
	Port     scalar `json:"port"`
	Username string `json:"username"`
	Password string `json:"password"`
}

type subAccount struct {
	Name        string                     `json:"name"`
	Platform    string                     `json:"platform"`
	Type        string                     `json:"type"`
	Credentials map[string]json.RawMessage `json:"credentials"`
	ProxyKey    string                     `json:"proxy_key"`
	Concurrency scalar                     `json:"concurrency"`
	Priority    scalar                     `json:"priority"`
}

func knowsSub2API(s *source) bool {
	_, is := subBundleOf(s)
	return is
}

func subBundleOf(s *source) (subBundle, bool) {
	var bundle subBundle
	if s.json == nil || json.Unmarshal(s.json, &bundle) != nil {
		return bundle, false
	}
	if bundle.Data != nil {
		bundle = *bundle.Data
	}
	named := bundle.Type == "sub2api-data" || bundle.Type == "sub2api-bundle"
	return bundle, len(bundle.Accounts) > 0 && (named || bundle.Proxies != nil)
}

func readSub2API(d *draft, s *source) {
	bundle, _ := subBundleOf(s)
	proxies := map[string]string{}
	for _, each := range bundle.Proxies {
		proxies[each.Key] = each.url()
	}
	for i, account := range bundle.Accounts {
		d.subAccount(fmt.Sprintf("account %d", i+1), account, proxies)
	}
}

func (p subProxy) url() string {
	address := url.URL{Scheme: p.Protocol, Host: net.JoinHostPort(p.Host, string(p.Port))}
	if p.Username != "" {
		address.User = url.UserPassword(p.Username, p.Password)
	}
	return address.String()
}

// credential is a text of an account's credentials.
func (a subAccount) credential(name string) string {
	var value scalar
	_ = json.Unmarshal(a.Credentials[name], &value) // what is not there is empty
	return string(value)
}

func (d *draft) subAccount(at string, a subAccount, proxies map[string]string) {
	u, why := d.subUpstream(at, a)
	if why != "" {
		d.leave(at, KindToken, a.Name, "%s", why)
		return
	}
	renamed := map[string]scalar{}
	_ = json.Unmarshal(a.Credentials["model_mapping"], &renamed) // where there is none every model is served
	models := make([]string, 0, len(renamed))
	for _, match := range sortedKeys(renamed) {
		model := firstOf(string(renamed[match]), match)
		models = append(models, model)
		d.leads(at, match, Target{Upstream: u, Model: model, Weight: 1})
	}
	u.serves(models...)
	proxy, note := proxyOf(proxies[a.ProxyKey])
	if a.ProxyKey != "" && proxy.Empty() {
		note = "its proxy is not in the file"
	}
	if a.Platform == cursor {
		d.token(at, Token{
			Upstream: u, Secret: secret.New(a.credential("access_token")), Refresh: secret.New(a.credential("refresh_token")),
			Alias: a.Name, Proxy: proxy, Cap: a.Concurrency.number(),
		}, note)
		return
	}
	d.token(at, Token{Upstream: u, Secret: secret.New(a.credential("api_key")), Alias: a.Name, Proxy: proxy, Cap: a.Concurrency.number()}, note)
}

// subLogins are whose logins those of a platform are.
var subLogins = map[string]string{anthropic: "Claude", openai: "Codex (ChatGPT)", "gemini": "Gemini", "antigravity": "Antigravity", "grok": "Grok"}

// subUpstream is where an account is for. Why says that it can't be taken over.
func (d *draft) subUpstream(at string, a subAccount) (u *Upstream, why string) {
	isKey := a.Type == "apikey" || a.Type == "upstream"
	switch {
	case a.Platform == cursor:
		return d.cursorUpstream(at), ""
	case !isKey:
		return nil, noLogin(firstOf(subLogins[a.Platform], shown(a.Platform)))
	}
	own := a.credential("base_url")
	if own != "" && badBase(own) != "" {
		return nil, badBase(own)
	}
	switch a.Platform {
	case anthropic:
		_, base, _ := providerOf(anthropic)
		return d.upstream(at, "", anthropic, firstOf(own, base)), ""
	case openai, "grok":
		_, base, _ := providerOf(map[string]string{openai: openai, "grok": "xai"}[a.Platform])
		if own != "" {
			base = versioned(BaseURL(own))
		}
		return d.upstream(at, "", openai, base), ""
	case "gemini":
		if own == "" || BaseURL(own) == "https://generativelanguage.googleapis.com" {
			return d.upstream(at, "gemini", openai, compatible["gemini"], viaCompatible), ""
		}
	}
	return nil, "no driver of Carousel speaks with " + shown(a.Platform)
}
