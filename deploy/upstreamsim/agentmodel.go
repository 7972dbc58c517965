package upstreamsim

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// maxAgentModels bounds a catalog.
const maxAgentModels = 1_000

// AgentModel is an entry of the agent side's catalog: a model with its parameters.
type AgentModel struct {
	Name    string   `json:"name"`
	Display string   `json:"display"`
	Aliases []string `json:"aliases,omitempty"`
	// Window is the context in tokens.
	Window   int32          `json:"window"`
	Thinking bool           `json:"thinking"`
	Images   bool           `json:"images"`
	Hidden   bool           `json:"hidden,omitempty"`
	Variants []AgentVariant `json:"variants,omitempty"`
}

// AgentVariant is a choice of all parameters, in the catalog's order.
type AgentVariant struct {
	// Slug is the flat id.
	Slug    string      `json:"slug"`
	Values  [][2]string `json:"values"`
	Max     bool        `json:"max,omitempty"`
	Default bool        `json:"default,omitempty"`
}

// SetAgentModels changes the catalog; none is the default one.
func (s *Simulator) SetAgentModels(models []AgentModel) error {
	if len(models) > maxAgentModels {
		return errors.New("there are too many models")
	}
	if models == nil {
		models = defaultAgentModels()
	}
	if slices.ContainsFunc(models, func(m AgentModel) bool { return m.Name == "" }) {
		return errors.New("a model has no name")
	}
	s.catalog.Store(&models)
	return nil
}

// AgentModels answers the catalog.
func (s *Simulator) AgentModels() []AgentModel { return slices.Clone(*s.catalog.Load()) }

// checkModel looks whether the account may use the model. That it may not is not the driver's
// fault; parameters that the catalog does not have are.
func (c *agentCall) checkModel() error {
	id := c.modelID()
	if enum := c.sim.logins.refusal(c.entry.account, id); enum != 0 && c.set.on(14) {
		if enum == enumRegion && c.set.EmptyForRegion {
			return &failure{[]byte(success)}
		}
		return failingEnum(enum)
	}
	if strings.Contains(id, "sim-") || scenarioOf(id) != normal || c.rule.Scenario != "" || !c.set.on(13) || slices.Contains(c.sim.options.Models, id) {
		return nil
	}
	for _, model := range c.sim.AgentModels() {
		if model.serves(c.request.GetRequestedModel(), id) {
			return nil
		}
	}
	return failing("not_found", "AI Model Not Found")
}

// serves tells whether a request is for the model, by a flat id or by a name with all parameters.
func (m AgentModel) serves(requested *agentv1.RequestedModel, id string) bool {
	values := requested.GetParameters()
	if id == m.Name && len(values) > 0 {
		return slices.ContainsFunc(m.Variants, func(v AgentVariant) bool {
			return slices.EqualFunc(v.Values, values, func(have [2]string, want *agentv1.ModelParameter) bool {
				return have[0] == want.GetId() && have[1] == want.GetValue()
			})
		})
	}
	if slices.ContainsFunc(m.Variants, func(v AgentVariant) bool { return v.Slug == id || m.representation(v) == id }) {
		return true
	}
	// A base id whose family needs a suffix is no model.
	return len(m.Variants) == 0 && (id == m.Name || slices.Contains(m.Aliases, id))
}

// representation is base[id=value,…].
func (m AgentModel) representation(v AgentVariant) string {
	var values []string
	for _, value := range v.Values {
		values = append(values, value[0]+"="+value[1])
	}
	return m.Name + "[" + strings.Join(values, ",") + "]"
}

// agentUnary are the unary calls of the agent side, by path.
var agentUnary = map[string]func(*Simulator, []byte) (proto.Message, error){
	"/agent.v1.AgentService/GetUsableModels":           usableModels,
	"/aiserver.v1.AiService/GetUsableModels":           usableModels,
	"/agent.v1.AgentService/GetDefaultModelForCli":     defaultModel,
	"/aiserver.v1.AiService/GetDefaultModelForCli":     defaultModel,
	"/aiserver.v1.AiService/AvailableModels":           availableModels,
	"/aiserver.v1.ServerConfigService/GetServerConfig": serverConfig,
}

// serveAgentUnary answers a unary call.
func (s *Simulator) serveAgentUnary(w http.ResponseWriter, r *http.Request) {
	if !s.checkUnary(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
	if err != nil {
		controlAnswer(w, http.StatusBadRequest, connectError{Code: "invalid_argument", Message: "the body can't be read"})
		return
	}
	answer, err := agentUnary[r.URL.Path](s, body)
	if err != nil {
		b := s.book.Load()
		b.look(r.URL.Path, problems{"rule 35: " + r.URL.Path + ": " + err.Error()}, Violation{
			At: s.options.Now(), API: CursorAgent, Token: b.tokens.get(bearer(r)).fingerprint,
		})
		controlAnswer(w, http.StatusBadRequest, connectError{Code: "invalid_argument", Message: "parse binary: illegal tag: field no 0 wire type 0"})
		return
	}
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(answer)
	if err != nil {
		controlProblem(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/proto")
	_, _ = w.Write(payload) // the client may be gone
}

var errIllegalTag = errors.New("the body is no message of its own")

// decodeUnary decodes a request. An envelope begins with a tag of zero, which no message has.
func decodeUnary(body []byte, into proto.Message) error {
	if len(body) > 0 && body[0] == 0 || proto.Unmarshal(body, into) != nil {
		return errIllegalTag
	}
	return nil
}

func usableModels(s *Simulator, body []byte) (proto.Message, error) {
	if err := decodeUnary(body, new(agentv1.GetUsableModelsRequest)); err != nil {
		return nil, err
	}
	answer := new(agentv1.GetUsableModelsResponse)
	for _, model := range s.AgentModels() {
		if !model.Hidden {
			answer.Models = append(answer.Models, model.details()...)
		}
	}
	return answer, nil
}

// details are the flat ids of a model.
func (m AgentModel) details() []*agentv1.ModelDetails {
	of := func(id, name string, thinking bool) *agentv1.ModelDetails {
		d := &agentv1.ModelDetails{ModelId: id, DisplayModelId: id, DisplayName: name, DisplayNameShort: name, Aliases: m.Aliases}
		if thinking {
			d.ThinkingDetails = &agentv1.ThinkingDetails{}
		}
		return d
	}
	if len(m.Variants) == 0 {
		return []*agentv1.ModelDetails{of(m.Name, m.Display, strings.Contains(m.Name, "thinking"))}
	}
	var all []*agentv1.ModelDetails
	for _, variant := range m.Variants {
		d := of(variant.Slug, m.Display, strings.Contains(variant.Slug, "thinking"))
		if variant.Max {
			d.MaxMode = proto.Bool(true)
		}
		all = append(all, d)
	}
	return all
}

func defaultModel(s *Simulator, body []byte) (proto.Message, error) {
	if err := decodeUnary(body, new(agentv1.GetDefaultModelForCliRequest)); err != nil {
		return nil, err
	}
	for _, model := range s.AgentModels() {
		if details := model.details(); !model.Hidden {
			return &agentv1.GetDefaultModelForCliResponse{Model: details[0]}, nil
		}
	}
	return new(agentv1.GetDefaultModelForCliResponse), nil
}

func availableModels(s *Simulator, body []byte) (proto.Message, error) {
	request := new(agentv1.AiAvailableModelsRequest)
	if err := decodeUnary(body, request); err != nil {
		return nil, err
	}
	answer := &agentv1.AiAvailableModelsResponse{UseModelParameters: request.GetUseModelParameters()}
	for _, model := range s.AgentModels() {
		if model.Hidden && !request.GetIncludeHiddenModels() {
			continue
		}
		answer.ModelNames = append(answer.ModelNames, model.Name)
		answer.Models = append(answer.Models, model.available())
	}
	return answer, nil
}

func (m AgentModel) available() *agentv1.AiAvailableModel {
	available := &agentv1.AiAvailableModel{
		Name: m.Name, DefaultOn: true, SupportsAgent: proto.Bool(true), SupportsThinking: proto.Bool(m.Thinking),
		SupportsImages: proto.Bool(m.Images), ContextTokenLimit: proto.Int32(m.Window), ClientDisplayName: proto.String(m.Display),
		ServerModelName: proto.String(m.Name), SupportsNonMaxMode: proto.Bool(true), IdAliases: m.Aliases,
	}
	if m.Hidden {
		available.IsHidden = proto.Bool(true)
	}
	seen := map[string]bool{}
	for _, variant := range m.Variants {
		one := &agentv1.AiModelVariant{
			DisplayName: m.Display, IsMaxMode: variant.Max, VariantStringRepresentation: proto.String(m.representation(variant)),
			LegacySlug: proto.String(variant.Slug),
		}
		if variant.Default {
			one.IsDefaultNonMaxConfig = proto.Bool(true)
		}
		for _, value := range variant.Values {
			one.ParameterValues = append(one.ParameterValues, &agentv1.ModelParameter{Id: value[0], Value: value[1]})
			if !seen[value[0]] {
				seen[value[0]] = true
				available.ParameterDefinitions = append(available.ParameterDefinitions, &agentv1.AiModelParameterDefinition{Id: value[0], Name: value[0]})
			}
		}
		available.Variants = append(available.Variants, one)
	}
	return available
}

func serverConfig(s *Simulator, body []byte) (proto.Message, error) {
	if len(body) > 0 && body[0] == 0 {
		return nil, errIllegalTag
	}
	answer := &agentv1.AiGetServerConfigResponse{Http2Config: 4}
	if base := *s.agentURL.Load(); base != "" {
		answer.AgentUrlConfig = &agentv1.AiAgentUrlConfig{AgentUrl: base, AgentnUrl: base}
	}
	return answer, nil
}
