package foreign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Pool is what is here, to be written in the form of another gateway.
type Pool struct {
	Tokens []*Token
	Routes []*Route
}

// writers are the formats that can be written: those in which other gateways take keys with their
// secrets. cursor-api's is `.token-list`, which tokens are exported in anyway.
var writers = map[string]func(*Pool) (any, error){
	"cliproxyapi": func(p *Pool) (any, error) { return p.cliProxyAPI(), nil },
	"litellm":     (*Pool).liteLLM,
	"sub2api":     func(p *Pool) (any, error) { return p.sub2API() },
}

// Written are the names of the formats that Write knows.
func Written() []string {
	names := make([]string, 0, len(writers))
	for name := range writers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Write writes a pool in a format, and says what of it can't be in there. Logins of Cursor can't:
// none of these gateways has a place for them.
func Write(format string, pool Pool) (file []byte, left []string, err error) {
	write, known := writers[format]
	if !known {
		return nil, nil, &FileError{"", fmt.Sprintf("there is no format %q; there is %s", format, strings.Join(Written(), ", "))}
	}
	kept := Pool{Routes: pool.Routes}
	for _, each := range pool.Tokens {
		if each.Upstream.Driver == cursor {
			left = append(left, nameOf(each))
		} else {
			kept.Tokens = append(kept.Tokens, each)
		}
	}
	document, err := write(&kept)
	if err != nil {
		return nil, nil, err
	}
	var out bytes.Buffer
	if format == "sub2api" {
		encoder := json.NewEncoder(&out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(document)
	} else {
		encoder := yaml.NewEncoder(&out)
		encoder.SetIndent(2)
		err = encoder.Encode(document)
	}
	return out.Bytes(), left, err
}

// nameOf is what a token is called where its secret must not be.
func nameOf(t *Token) string {
	if t.Alias != "" {
		return t.Upstream.Name + " " + t.Alias
	}
	return t.Upstream.Name + " " + t.Secret.Masked()
}

// upstreams are those of the pool's tokens, in order, each with its tokens.
func (p *Pool) upstreams() (upstreams []*Upstream, tokens map[*Upstream][]*Token) {
	tokens = map[*Upstream][]*Token{}
	for _, each := range p.Tokens {
		if tokens[each.Upstream] == nil {
			upstreams = append(upstreams, each.Upstream)
		}
		tokens[each.Upstream] = append(tokens[each.Upstream], each)
	}
	return upstreams, tokens
}

// proxyFor is a token's proxy, or its upstream's.
func (t *Token) proxyFor() string { return firstOf(t.Proxy.Reveal(), t.Upstream.Proxy.Reveal()) }

// Elements of LiteLLM's model_list.
type (
	liteModel struct {
		Name   string    `yaml:"model_name"`
		Params liteParam `yaml:"litellm_params"`
	}
	liteParam struct {
		Model    string `yaml:"model"`
		Base     string `yaml:"api_base"`
		Key      string `yaml:"api_key"`
		Weight   uint32 `yaml:"weight,omitempty"`
		Order    uint32 `yaml:"order,omitempty"`
		Parallel uint32 `yaml:"max_parallel_requests,omitempty"`
	}
)

// maxWritten bounds the elements of a file: LiteLLM wants one for each token and model.
const maxWritten = 200_000

func (p *Pool) liteLLM() (any, error) {
	models := []liteModel{}
	upstreams, tokens := p.upstreams()
	add := func(name string, u *Upstream, model string, weight, order uint32) {
		for _, t := range tokens[u] {
			if !t.Disabled {
				models = append(models, liteModel{name, liteParam{
					u.Driver + "/" + model, u.BaseURL, t.Secret.Reveal(), max(t.Weight, 1) * max(weight, 1), order, t.Cap,
				}})
			}
		}
	}
	for _, u := range upstreams {
		for _, model := range u.Models {
			add(model, u, model, 1, 0)
		}
		if len(u.Models) == 0 {
			add(u.Name+"/*", u, "*", 1, 0)
		}
	}
	for _, route := range p.Routes {
		for _, target := range route.Targets {
			add(route.Match, target.Upstream, firstOf(target.Model, route.Match), target.Weight, target.Priority)
		}
	}
	if len(models) > maxWritten {
		return nil, &FileError{"", fmt.Sprintf("LiteLLM wants an element for each token and model, and these are more than %d", maxWritten)}
	}
	return map[string]any{"model_list": models}, nil
}

// Elements of CLIProxyAPI's configuration.
type (
	cpaProvider struct {
		Name   string     `yaml:"name,omitempty"`
		Key    string     `yaml:"api-key,omitempty"`
		Base   string     `yaml:"base-url"`
		Proxy  string     `yaml:"proxy-url,omitempty"`
		Weight uint32     `yaml:"weight,omitempty"`
		Keys   []cpaKey   `yaml:"api-key-entries,omitempty"`
		Models []cpaModel `yaml:"models,omitempty"`
	}
	cpaKey struct {
		Key    string `yaml:"api-key"`
		Proxy  string `yaml:"proxy-url,omitempty"`
		Weight uint32 `yaml:"weight,omitempty"`
	}
	cpaModel struct {
		Name  string `yaml:"name"`
		Alias string `yaml:"alias,omitempty"`
	}
)

func (p *Pool) cliProxyAPI() any {
	lists := map[string][]cpaProvider{}
	upstreams, tokens := p.upstreams()
	for _, u := range upstreams {
		models := p.cpaModels(u)
		provider := cpaProvider{Name: u.Name, Base: u.BaseURL, Models: models}
		for _, t := range tokens[u] {
			if t.Disabled {
				continue
			}
			if u.Driver == anthropic {
				lists[cpaClaude] = append(lists[cpaClaude], cpaProvider{Key: t.Secret.Reveal(), Base: u.BaseURL, Proxy: t.proxyFor(), Weight: t.Weight, Models: models})
				continue
			}
			provider.Keys = append(provider.Keys, cpaKey{t.Secret.Reveal(), t.proxyFor(), t.Weight})
		}
		if len(provider.Keys) > 0 {
			lists[cpaCompatible] = append(lists[cpaCompatible], provider)
		}
	}
	return lists
}

// cpaModels are an upstream's models, and the names that routes have for them.
func (p *Pool) cpaModels(u *Upstream) (models []cpaModel) {
	for _, model := range u.Models {
		models = append(models, cpaModel{Name: model, Alias: model})
	}
	for _, route := range p.Routes {
		for _, target := range route.Targets {
			if target.Upstream == u && !strings.Contains(route.Match, "*") {
				models = append(models, cpaModel{Name: firstOf(target.Model, route.Match), Alias: route.Match})
			}
		}
	}
	return models
}

// subWritten is a bundle of sub2api, as its import wants it.
type subWritten struct {
	Type     string           `json:"type"`
	Version  int              `json:"version"`
	Proxies  []map[string]any `json:"proxies"`
	Accounts []map[string]any `json:"accounts"`
}

func (p *Pool) sub2API() (any, error) {
	bundle := subWritten{Type: "sub2api-data", Version: 1, Proxies: []map[string]any{}, Accounts: []map[string]any{}}
	proxies := map[string]bool{}
	for i, t := range p.Tokens {
		if t.Disabled {
			continue
		}
		credentials := map[string]any{"api_key": t.Secret.Reveal(), "base_url": strings.TrimSuffix(t.Upstream.BaseURL, "/v1")}
		if mapping := p.subModels(t.Upstream); len(mapping) > 0 {
			credentials["model_mapping"] = mapping
		}
		account := map[string]any{
			"name": firstOf(t.Alias, fmt.Sprintf("%s %d", t.Upstream.Name, i+1)), "platform": t.Upstream.Driver, "type": "apikey",
			"credentials": credentials, "concurrency": t.Cap, "priority": 1,
		}
		if proxy := t.proxyFor(); proxy != "" {
			key, written, err := subProxyOf(proxy)
			if err != nil {
				return nil, err
			}
			account["proxy_key"] = key
			if !proxies[key] {
				proxies[key] = true
				bundle.Proxies = append(bundle.Proxies, written)
			}
		}
		bundle.Accounts = append(bundle.Accounts, account)
	}
	return bundle, nil
}

// subModels are the names that lead to an upstream's models.
func (p *Pool) subModels(u *Upstream) map[string]string {
	mapping := map[string]string{}
	for _, model := range p.cpaModels(u) {
		mapping[firstOf(model.Alias, model.Name)] = model.Name
	}
	return mapping
}

// subProxyOf is a proxy as sub2api has it.
func subProxyOf(text string) (key string, written map[string]any, err error) {
	proxy, err := url.Parse(text)
	if err != nil {
		return "", nil, &FileError{"", "a token's proxy is not a URL"} // the parser's words would repeat it
	}
	port := scalar(firstOf(proxy.Port(), map[string]string{"http": "80", "https": "443"}[proxy.Scheme], "1080")).number()
	password, _ := proxy.User.Password()
	key = fmt.Sprintf("%s|%s|%d|%s|%s", proxy.Scheme, proxy.Hostname(), port, proxy.User.Username(), password)
	return key, map[string]any{
		"proxy_key": key, "name": proxy.Hostname(), "protocol": proxy.Scheme, "host": proxy.Hostname(), "port": port,
		"username": proxy.User.Username(), "password": password, "status": "active",
	}, nil
}
