package foreign

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"carousel.internal/gateway/internal/sqlitefile"
	"carousel.internal/proto/service/secret"
)

// loadGroup is a group of gpt-load 1.x, as its API tells it and its database has it: an upstream
// with its keys.
type loadGroup struct {
	at        string
	Name      string            `json:"name"`
	Type      string            `json:"channel_type"`
	GroupType string            `json:"group_type"`
	Upstreams json.RawMessage   `json:"upstreams"`
	Redirects map[string]scalar `json:"model_redirect_rules"`
	ProxyKeys string            `json:"proxy_keys"`
	Config    struct {
		Proxy string `json:"proxy_url"`
	} `json:"config"`
	Headers json.RawMessage `json:"header_rules"`
	Params  json.RawMessage `json:"param_overrides"`
	Keys    []loadKey       `json:"api_keys"`
}

type loadKey struct {
	at     string
	Value  string `json:"key_value"`
	Status string `json:"status"`
	Notes  string `json:"notes"`
}

// knowsGPTLoad knows the databases of gpt-load 1.x and 2.x, and what the API of 1.x says of groups.
func knowsGPTLoad(s *source) bool {
	switch {
	case s.database != nil:
		return s.database.Has("groups", "api_keys") || s.database.Has("groups", "credentials", "access_keys")
	case s.json != nil:
		return len(loadGroups(s.json)) > 0
	}
	return false
}

// loadGroups are the groups in a JSON text: a list, or one in the API's envelope.
func loadGroups(content json.RawMessage) []loadGroup {
	var envelope struct {
		Data   json.RawMessage `json:"data"`
		Groups json.RawMessage `json:"groups"`
	}
	if json.Unmarshal(content, &envelope) == nil {
		for _, each := range []json.RawMessage{envelope.Data, envelope.Groups} {
			if len(each) > 0 {
				content = each
			}
		}
	}
	var groups []loadGroup
	if json.Unmarshal(content, &groups) != nil {
		return nil
	}
	for i := range groups {
		groups[i].at = fmt.Sprintf("group %d", i+1)
		if groups[i].Type == "" || len(groups[i].Upstreams) == 0 {
			return nil
		}
		for n := range groups[i].Keys {
			groups[i].Keys[n].at = fmt.Sprintf("group %d, key %d", i+1, n+1)
		}
	}
	return groups
}

func readGPTLoad(d *draft, s *source) {
	switch {
	case s.json != nil:
		for _, group := range loadGroups(s.json) {
			d.loadGroup(group)
		}
	case s.database.Has("credentials"):
		d.warnOfLog(s.database)
		d.load2(s.database)
	default:
		d.warnOfLog(s.database)
		d.load1(s.database)
	}
}

// warnOfLog says that a part of a database may be missing.
func (d *draft) warnOfLog(database *sqlitefile.File) {
	if database.HasLog() {
		d.leave("", KindSetting, "write-ahead log", "what is only in the file beside it that ends in -wal is not seen: stop the program before you copy its database")
	}
}

// load1 reads the database of 1.x.
func (d *draft) load1(database *sqlitefile.File) {
	var groups []loadGroup
	byID := map[string]int{}
	for row := range d.rows(database, "groups") {
		group := loadGroup{
			at: "groups, id " + string(cell(row, "id")), Name: string(cell(row, "name")), Type: string(cell(row, "channel_type")),
			GroupType: string(cell(row, "group_type")), Upstreams: json.RawMessage(cell(row, "upstreams")), ProxyKeys: string(cell(row, "proxy_keys")),
			Headers: json.RawMessage(cell(row, "header_rules")), Params: json.RawMessage(cell(row, "param_overrides")),
		}
		_ = json.Unmarshal([]byte(cell(row, "config")), &group.Config)                  // without it there is no proxy
		_ = json.Unmarshal([]byte(cell(row, "model_redirect_rules")), &group.Redirects) // nor another name
		byID[string(cell(row, "id"))] = len(groups)
		groups = append(groups, group)
	}
	for row := range d.rows(database, "api_keys") {
		at, known := byID[string(cell(row, "group_id"))]
		key := loadKey{"api_keys, id " + string(cell(row, "id")), string(cell(row, "key_value")), string(cell(row, "status")), string(cell(row, "notes"))}
		if !known {
			d.leave(key.at, KindToken, "", "its group is not there")
			continue
		}
		groups[at].Keys = append(groups[at].Keys, key)
	}
	for _, group := range groups {
		d.loadGroup(group)
	}
}

// rows are those of a table. One that can't be read is told in the plan.
func (d *draft) rows(database *sqlitefile.File, table string) func(yield func(sqlitefile.Row) bool) {
	return func(yield func(sqlitefile.Row) bool) {
		count := 0
		for row, err := range database.Rows(table) {
			if err != nil {
				d.leave(table, KindSetting, table, "the rest of the table can't be read: %s", err)
				return
			}
			if count++; count > maxItems || !yield(row) {
				return
			}
		}
	}
}

func (d *draft) loadGroup(group loadGroup) {
	name := shown(group.Name)
	if group.GroupType == "aggregate" {
		d.leave(group.at, KindRoute, name, "a group of groups: in Carousel a model's name leads to every upstream that lists it; where shares matter make a route")
		return
	}
	places := loadPlaces(group.Upstreams)
	if len(places) == 0 {
		d.leave(group.at, KindUpstream, name, "it has no address")
		return
	}
	driver, base, notes, why := loadPlace(group.Type, places[0])
	if why != "" {
		d.leave(group.at, KindUpstream, name, "%s", why)
		for _, key := range group.Keys {
			d.leave(key.at, KindToken, aliasOf(key.Notes), "its group is left")
		}
		return
	}
	if len(places) > 1 {
		notes = append(notes, fmt.Sprintf("an upstream has one address: the first of %d is taken", len(places)))
	}
	if present(group.Headers) {
		notes = append(notes, "left: header_rules")
	}
	if present(group.Params) {
		notes = append(notes, "left: param_overrides")
	}
	before := len(d.upstreams)
	u := d.upstream(group.at, group.Name, driver, base, notes...)
	if len(d.upstreams) == before {
		d.add(Item{At: group.at, Kind: KindUpstream, Name: group.Name, Verdict: Same}, "it has the address of the upstream "+u.Name+": their keys are one pool")
	}
	if proxy, _ := proxyOf(group.Config.Proxy); !proxy.Empty() {
		u.Proxy = proxy
	}
	for _, match := range sortedKeys(group.Redirects) {
		d.leads(group.at, match, Target{Upstream: u, Model: string(group.Redirects[match]), Weight: 1})
	}
	for range strings.FieldsFunc(group.ProxyKeys, func(r rune) bool { return r == ',' || r == '\n' }) {
		d.leave(group.at, KindKey, name, madeHere)
	}
	for _, key := range group.Keys {
		d.loadKey(u, key)
	}
}

func (d *draft) loadKey(u *Upstream, key loadKey) {
	if sealedKey(key.Value) {
		d.leave(key.at, KindToken, aliasOf(key.Notes), "it is encrypted with gpt-load's ENCRYPTION_KEY: export the group's keys on its page, and import that file for the upstream %s", u.Name)
		return
	}
	note := ""
	if key.Status == "invalid" {
		note = "gpt-load has taken it for invalid: it is disabled"
	}
	d.token(key.at, Token{Upstream: u, Secret: secret.New(key.Value), Alias: key.Notes, Disabled: key.Status == "invalid"}, note)
}

// sealedKey tells the form of an encrypted key: hexadecimal digits of a nonce, a text and a tag.
func sealedKey(key string) bool {
	const least = 2 * (12 + 16 + 8)
	return len(key) >= least && len(key)%2 == 0 && strings.Trim(key, "0123456789abcdef") == ""
}

// loadPlaces are the addresses of a group.
func loadPlaces(raw json.RawMessage) (places []string) {
	var list []struct {
		URL string `json:"url"`
	}
	_ = json.Unmarshal(raw, &list) // what is none has no addresses
	for _, each := range list {
		if each.URL != "" {
			places = append(places, each.URL)
		}
	}
	return places
}

// loadPlace is where a group's keys are for: gpt-load's addresses end before the path of the API.
func loadPlace(kind, url string) (driver, base string, notes []string, why string) {
	base = BaseURL(url)
	if base == "" {
		return "", "", nil, badBase(url)
	}
	switch kind {
	case openai, "openai-response":
		return openai, versioned(base), nil, ""
	case anthropic:
		return anthropic, base, nil, ""
	case "gemini":
		if base == "https://generativelanguage.googleapis.com" {
			return openai, compatible["gemini"], []string{viaCompatible}, ""
		}
		return "", "", nil, "its address is one of Gemini's own API, which no driver of Carousel speaks"
	}
	return "", "", nil, "no driver of Carousel speaks with " + shown(kind)
}

// versioned is an address as the OpenAI driver wants it: with the API's version, which gateways
// that pass paths on leave to their clients.
func versioned(base string) string {
	if address, ok := strings.CutPrefix(base, "https://"); ok && !strings.Contains(address, "/") || strings.Count(base, "/") == 2 {
		return base + "/v1"
	}
	last := base[strings.LastIndex(base, "/")+1:]
	if len(last) > 1 && last[0] == 'v' && last[1] >= '0' && last[1] <= '9' {
		return base
	}
	return base + "/v1"
}

// present tells whether a JSON value says anything.
func present(raw json.RawMessage) bool {
	return !slices.Contains([]string{"", "null", "{}", "[]"}, string(raw))
}

func sortedKeys(of map[string]scalar) []string {
	keys := make([]string, 0, len(of))
	for key := range of {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// loadChannels are the channels of 2.x that a driver speaks with, without hyphens and underlines,
// and whose they are; those that have but an address of their own are nobody's.
var loadChannels = map[string]string{
	openai: openai, anthropic: anthropic, "gemini": "gemini", "deepseek": "deepseek", "openrouter": "openrouter", "groq": "groq",
	"mistral": "mistral", "xai": "xai", "cerebras": "cerebras", "siliconflow": "siliconflow", "moonshotai": "moonshot-cn",
	"openaicompatible": "", "newapi": "", "gptload": "",
}

// load2 reads the database of 2.x. Its keys are always encrypted.
func (d *draft) load2(database *sqlitefile.File) {
	upstreams := map[string]*Upstream{}
	for row := range d.rows(database, "groups") {
		at, name := "groups, id "+string(cell(row, "id")), string(cell(row, "name"))
		driver, base, why := loadGroup2(row)
		if why != "" {
			d.leave(at, KindUpstream, name, "%s", why)
			continue
		}
		upstreams[string(cell(row, "id"))] = d.upstream(at, name, driver, base)
	}
	for row := range d.rows(database, "credentials") {
		at := "credentials, id " + string(cell(row, "id"))
		u := upstreams[string(cell(row, "group_id"))]
		if u == nil {
			d.leave(at, KindToken, string(cell(row, "name")), "its group is left")
			continue
		}
		d.leave(at, KindToken, string(cell(row, "name")), "gpt-load 2 encrypts its keys: copy it to the upstream %s", u.Name)
	}
	for row := range d.rows(database, "access_keys") {
		d.leave("access_keys, id "+string(cell(row, "id")), KindKey, string(cell(row, "name")), madeHere)
	}
}

// loadGroup2 is where a group of 2.x is for.
func loadGroup2(row sqlitefile.Row) (driver, base, why string) {
	channel := string(cell(row, "channel_id"))
	service, known := loadChannels[strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(channel))]
	switch {
	case cell(row, "connection_type") == "subscription":
		return "", "", noLogin(shown(channel))
	case !known:
		return "", "", "no driver of Carousel speaks with " + shown(channel)
	}
	var params struct {
		Base string `json:"base_url"`
	}
	_ = json.Unmarshal([]byte(cell(row, "params")), &params) // without it it is where its provider is
	driver, base, _ = providerOf(service)
	own := BaseURL(params.Base)
	switch {
	case own == "" && base == "":
		return "", "", badBase(params.Base)
	case own == "":
		return driver, base, ""
	case service == "gemini":
		return "", "", "its address is one of Gemini's own API, which no driver of Carousel speaks"
	case driver == openai:
		own = versioned(own)
	}
	return driver, own, ""
}
