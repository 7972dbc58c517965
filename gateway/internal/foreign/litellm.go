package foreign

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"carousel.internal/proto/service/secret"
)

// knowsLiteLLM knows the configuration of LiteLLM's proxy, config.yaml.
func knowsLiteLLM(s *source) bool { return s.has("model_list") }

// liteDeployment is an element of model_list: a name for clients, and the model and account that it
// leads to.
type liteDeployment struct {
	Name   scalar `yaml:"model_name"`
	Params struct {
		Model    scalar `yaml:"model"`
		Provider scalar `yaml:"custom_llm_provider"`
		Base     scalar `yaml:"api_base"`
		BaseURL  scalar `yaml:"base_url"`
		Key      scalar `yaml:"api_key"`
		Weight   scalar `yaml:"weight"`
		Order    scalar `yaml:"order"`
		Parallel scalar `yaml:"max_parallel_requests"`
		RPM      scalar `yaml:"rpm"`
		TPM      scalar `yaml:"tpm"`
	} `yaml:"litellm_params"`
}

// liteRead are the members that have a meaning here.
var liteRead = []string{"model_name", "litellm_params", "model_info"}

// liteParams are those of litellm_params.
var liteParams = []string{"model", "custom_llm_provider", "api_base", "base_url", "api_key", "weight", "order", "max_parallel_requests", "rpm", "tpm"}

// lite reads one configuration.
type lite struct {
	*draft
	// environment has the variables that the configuration sets itself.
	environment map[string]string
	// leadTo are the targets of each name, before fallbacks.
	leadTo map[string][]Target
}

func readLiteLLM(d *draft, s *source) {
	l := lite{d, map[string]string{}, map[string][]Target{}}
	for key, value := range members(member(s.yaml, "environment_variables")) {
		l.environment[key.Value] = value.Value
	}
	for _, node := range elements(member(s.yaml, "model_list")) {
		l.deployment(node)
	}
	for section, value := range members(s.yaml) {
		switch section.Value {
		case "model_list", "environment_variables":
		case "router_settings", "litellm_settings":
			l.router(section.Value, meant(value))
		case "general_settings":
			l.general(meant(value))
		default:
			l.leave(line(section), KindSetting, section.Value, "Carousel has no such thing")
		}
	}
}

func (l *lite) deployment(node *yaml.Node) {
	var it liteDeployment
	if node.Decode(&it) != nil || it.Params.Model == "" {
		l.leave(line(node), KindToken, "", "not the form of a model: model_name, and litellm_params with a model")
		return
	}
	params := it.Params
	name := cmp.Or(string(it.Name), string(params.Model))
	service, model := liteProvider(string(params.Provider), string(params.Model))
	base := cmp.Or(string(params.Base), string(params.BaseURL))
	if variable, is := l.fromEnvironment(base); is {
		if base = l.environment[variable]; base == "" {
			l.leave(line(node), KindToken, name, "its address is in the environment variable %s: write it in the file", variable)
			return
		}
	}
	driver, address, notes, why := litePlace(service, base)
	if why != "" {
		l.leave(line(node), KindToken, name, "%s", why)
		return
	}
	u := l.upstream(line(node), serviceName(service, base), driver, address)
	target := Target{Upstream: u, Model: model, Weight: params.Weight.share(), Priority: min(params.Order.number(), maxPriority)}
	if strings.Contains(model, "*") {
		u.serves()
	} else {
		u.serves(model)
	}
	l.leads(line(node), name, target)
	l.leadTo[name] = append(l.leadTo[name], target)
	key := string(params.Key)
	if variable, is := l.fromEnvironment(key); is {
		if key = l.environment[variable]; key == "" {
			l.leave(line(node), KindToken, name, "its key is in the environment variable %s: write it in the file, or add it to the upstream %s", variable, u.Name)
			return
		}
	}
	if key == "" {
		if !keyless(service) {
			l.leave(line(node), KindToken, name, "it names no key: LiteLLM takes it from its environment; add it to the upstream %s", u.Name)
			return
		}
		key = "no-key"
		notes = append(notes, "it needs no key; a token that says so stands for it")
	}
	if params.RPM != "" || params.TPM != "" {
		notes = append(notes, "rpm and tpm are left: Carousel bounds a token's requests at a time, and goes by what the upstream says")
	}
	if others := l.others(node); len(others) > 0 {
		notes = append(notes, "left: "+strings.Join(others, ", "))
	}
	l.token(line(node), Token{Upstream: u, Secret: secret.New(key), Cap: params.Parallel.number()}, notes...)
}

// others are the members of a deployment that have no meaning here.
func (l *lite) others(node *yaml.Node) (others []string) {
	for key := range members(meant(node)) {
		if !slices.Contains(liteRead, key.Value) {
			others = append(others, shown(key.Value))
		}
	}
	for key := range members(member(meant(node), "litellm_params")) {
		if !slices.Contains(liteParams, key.Value) && key.Value != "<<" {
			others = append(others, shown(key.Value))
		}
	}
	return others
}

// fromEnvironment tells the variable that a value is to be taken from.
func (l *lite) fromEnvironment(value string) (variable string, is bool) {
	return strings.CutPrefix(value, "os.environ/")
}

// liteProvider parts a model's name into the provider and its own name for the model.
func liteProvider(said, model string) (service, name string) {
	prefix, rest, slash := strings.Cut(model, "/")
	switch {
	case said != "":
		if prefix == said && slash {
			return said, rest
		}
		return said, model
	case slash:
		return prefix, rest
	case strings.HasPrefix(model, "claude"):
		return anthropic, model
	case strings.HasPrefix(model, "gpt-"), strings.HasPrefix(model, "chatgpt-"), strings.HasPrefix(model, "o1"), strings.HasPrefix(model, "o3"), strings.HasPrefix(model, "o4"), strings.HasPrefix(model, "text-embedding-"):
		return openai, model
	default:
		return "", model
	}
}

// liteAnywhere are LiteLLM's names for what speaks the OpenAI API at whatever address.
var liteAnywhere = []string{openai, "openai_like", "custom_openai", "hosted_vllm", "vllm", "lm_studio", "llamafile", "litellm_proxy", "xinference", "text-completion-openai", "infinity"}

// liteOllama are its names for Ollama.
var liteOllama = []string{"ollama", "ollama_chat"}

// keyless tells whether a service can do without a key.
func keyless(service string) bool {
	return service != openai && (slices.Contains(liteAnywhere, service) || slices.Contains(liteOllama, service))
}

// litePlace is where a provider's models are asked for. Why says that they can't be.
func litePlace(service, base string) (driver, address string, notes []string, why string) {
	switch {
	case service == "":
		return "", "", nil, "its model does not say of which provider it is"
	case slices.Contains(liteOllama, service):
		base = strings.TrimSuffix(cmp.Or(base, "http://localhost:11434"), "/")
		return openai, strings.TrimSuffix(base, "/v1") + "/v1", []string{viaCompatible}, badBase(base)
	case slices.Contains(liteAnywhere, service) && base != "":
		return openai, base, nil, badBase(base)
	case service == "azure", service == "azure_ai":
		return "", "", nil, "Azure's addresses go by deployment: add it as an OpenAI-compatible upstream with the resource's address that ends in /openai/v1"
	}
	driver, address, known := providerOf(service)
	if !known || base != "" && driver == openai && compatible[service] != "" {
		return "", "", nil, "no driver of Carousel speaks with " + shown(service)
	}
	if compatible[service] != "" {
		notes = []string{viaCompatible}
	}
	if base != "" {
		return driver, base, notes, badBase(base)
	}
	return driver, address, notes, ""
}

func badBase(base string) string {
	if BaseURL(base) == "" {
		return "its address is not an http or https URL without user and query"
	}
	return ""
}

// serviceName is what an upstream of a provider is called; at an address of one's own it is called
// by that.
func serviceName(service, base string) string {
	if base != "" {
		return ""
	}
	return strings.TrimSuffix(service, "_ai")
}

// router reads the settings of LiteLLM's router that have a counterpart. They may stand in two
// sections.
func (l *lite) router(section string, settings *yaml.Node) {
	for key, value := range members(settings) {
		switch value = meant(value); key.Value {
		case "model_group_alias":
			for alias, of := range members(value) {
				l.alias(line(alias), alias.Value, meant(of))
			}
		case "fallbacks":
			for _, each := range elements(value) {
				for name, others := range members(meant(each)) {
					l.fallback(line(name), name.Value, elements(meant(others)))
				}
			}
		default:
			l.leave(line(key), KindSetting, section+"."+key.Value, "Carousel has settings of its own: the page Settings, and an upstream's")
		}
	}
}

// alias makes a name lead where another one leads.
func (l *lite) alias(at, alias string, of *yaml.Node) {
	name := of.Value
	if of.Kind == yaml.MappingNode { // {model: name, hidden: true}
		if name = ""; member(of, "model") != nil {
			name = member(of, "model").Value
		}
	}
	if len(l.leadTo[name]) == 0 {
		l.leave(at, KindRoute, alias, "nothing that is taken over serves %s", shown(name))
		return
	}
	for _, target := range l.leadTo[name] {
		l.leads(at, alias, target)
	}
	l.leadTo[alias] = append(l.leadTo[alias], l.leadTo[name]...)
}

// fallback adds to a name's targets those of others, each after the ones before it.
func (l *lite) fallback(at, name string, others []*yaml.Node) {
	if len(l.leadTo[name]) == 0 {
		l.leave(at, KindRoute, name, "nothing that is taken over serves it, so it needs no fallback")
		return
	}
	after := uint32(0)
	for _, target := range l.leadTo[name] {
		after = max(after, target.Priority)
	}
	for _, other := range others {
		targets := l.leadTo[meant(other).Value]
		if len(targets) == 0 {
			l.leave(at, KindRoute, name, "its fallback %s is served by nothing that is taken over", shown(meant(other).Value))
			continue
		}
		after = min(after+1, maxPriority)
		for _, target := range targets {
			target.Priority = after
			l.leads(at, name, target)
		}
	}
}

// general reads who may use the proxy.
func (l *lite) general(settings *yaml.Node) {
	for key := range members(settings) {
		switch key.Value {
		case "master_key":
			l.leave(line(key), KindKey, "master_key", "the admin token is chosen when Carousel is started: AUTH_TOKEN")
		case "database_url":
			l.leave(line(key), KindKey, "database_url", "LiteLLM's keys are in its database as hashes, so their secrets can't be taken over: make keys with `carousel admin keys create`")
		default:
			l.leave(line(key), KindSetting, "general_settings."+key.Value, "Carousel has no such setting")
		}
	}
}
