package movein_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/foreign"
	"carousel.internal/gateway/internal/movein"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// store is a tokenstore that takes token files apart as the real one does.
type store struct {
	upstreams []*tokenstorev1.Upstream
	routes    []*tokenstorev1.Route
	// aliases are those of the tokens that are there, by secret.
	aliases map[string]string
	// refuses has reasons by secret.
	refuses map[string]string
	// noRoutes is why routes can't be put; err is why nothing can be.
	noRoutes, err error
	imported      []row
	// export is the pool as a token file.
	export string
}

// row is an element of a token file.
type row struct {
	Token    string            `json:"token"`
	Upstream string            `json:"upstream"`
	Driver   string            `json:"driver"`
	BaseURL  string            `json:"base_url"`
	Models   []string          `json:"models"`
	Settings map[string]string `json:"settings"`
	Alias    string            `json:"alias"`
	Tags     []string          `json:"tags"`
	Cap      uint32            `json:"cap"`
	Weight   uint32            `json:"weight"`
	Enabled  bool              `json:"enabled"`
	Proxy    string            `json:"proxy"`
}

// look tells what would become of each line.
func (s *store) look(request *tokenstorev1.ImportTokensRequest) (rows []row, report *tokenstorev1.ImportTokensResponse, tokens []*tokenstorev1.PreviewedToken) {
	report = &tokenstorev1.ImportTokensResponse{}
	for i, line := range strings.Split(strings.TrimSuffix(request.GetContent(), "\n]\n"), "\n")[1:] {
		var it row
		if err := json.Unmarshal([]byte(strings.TrimSuffix(line, ",")), &it); err != nil {
			panic(err)
		}
		at := uint32(i + 2)
		alias, known := s.aliases[it.Token]
		holder := ""
		for secret, each := range s.aliases {
			if each == it.Alias && it.Alias != "" && secret != it.Token {
				holder = secret
			}
		}
		switch {
		case it.Driver != "":
			rows = append(rows, it)
		case s.refuses[it.Token] != "":
			report.Rejected = append(report.Rejected, &tokenstorev1.RejectedLine{Line: at, Reason: s.refuses[it.Token]})
		case holder != "":
			report.Rejected = append(report.Rejected, &tokenstorev1.RejectedLine{Line: at, Reason: "the alias is another token's"})
		default:
			rows = append(rows, it)
			tokens = append(tokens, &tokenstorev1.PreviewedToken{Line: at, Known: known, Upstream: it.Upstream, Alias: alias})
		}
	}
	return rows, report, tokens
}

func (s *store) PreviewTokens(_ context.Context, r *tokenstorev1.PreviewTokensRequest, _ ...grpc.CallOption) (*tokenstorev1.PreviewTokensResponse, error) {
	_, report, tokens := s.look(r.GetImport())
	if len(tokens) > 200 {
		return nil, errors.New("more than the real one tells")
	}
	return &tokenstorev1.PreviewTokensResponse{Report: report, Tokens: tokens}, s.err
}

func (s *store) ImportTokens(_ context.Context, r *tokenstorev1.ImportTokensRequest, _ ...grpc.CallOption) (*tokenstorev1.ImportTokensResponse, error) {
	rows, report, _ := s.look(r)
	s.imported = append(s.imported, rows...)
	for _, each := range rows {
		if each.Driver != "" {
			s.upstreams = append(s.upstreams, &tokenstorev1.Upstream{Name: each.Upstream, Driver: each.Driver, BaseUrl: each.BaseURL, Models: each.Models})
		} else {
			s.aliases[each.Token] = each.Alias
		}
	}
	return report, nil
}

func (s *store) ExportTokens(context.Context, *tokenstorev1.ExportTokensRequest, ...grpc.CallOption) (*tokenstorev1.ExportTokensResponse, error) {
	return &tokenstorev1.ExportTokensResponse{Content: s.export, Count: 3, Unreadable: []string{"t9"}}, s.err
}

func (s *store) ListUpstreams(context.Context, *tokenstorev1.ListUpstreamsRequest, ...grpc.CallOption) (*tokenstorev1.ListUpstreamsResponse, error) {
	return &tokenstorev1.ListUpstreamsResponse{Upstreams: s.upstreams}, nil
}

func (s *store) ListRoutes(context.Context, *tokenstorev1.ListRoutesRequest, ...grpc.CallOption) (*tokenstorev1.ListRoutesResponse, error) {
	return &tokenstorev1.ListRoutesResponse{Routes: s.routes}, nil
}

func (s *store) PutRoute(_ context.Context, r *tokenstorev1.PutRouteRequest, _ ...grpc.CallOption) (*tokenstorev1.PutRouteResponse, error) {
	if s.noRoutes != nil {
		return nil, s.noRoutes
	}
	s.routes = append(s.routes, r.GetRoute())
	return &tokenstorev1.PutRouteResponse{Route: r.GetRoute()}, nil
}

func (s *store) desk() *movein.Desk {
	if s.aliases == nil {
		s.aliases = map[string]string{}
	}
	return movein.NewDesk(s, s, func(config upstream.Config) error {
		if strings.Contains(config.BaseURL, "refused") {
			return errors.New("base_url: refused")
		}
		return nil
	})
}

func wanted(text string) movein.Wanted {
	return movein.Wanted{Files: []foreign.File{{Name: "config.yaml", Content: []byte(text)}}}
}

const config = `
model_list:
- {model_name: gpt-4o, litellm_params: {model: openai/gpt-4o, api_key: sk-made-up-key-00000000000001, max_parallel_requests: 4}}
- {model_name: fast, litellm_params: {model: groq/llama, api_key: gsk-made-up-key-0000000000001}}
- {model_name: far, litellm_params: {model: azure/x, api_key: azure-made-up-key-00000000001}}
`

// outcomes are a report's, as "kind name to: outcome".
func outcomes(report movein.Report) (said []string) {
	for _, each := range report.Items {
		said = append(said, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s: %s", each.Kind, each.Name, each.To, each.Outcome)), " "))
	}
	return said
}

func TestAPlanChangesNothing(t *testing.T) {
	t.Parallel()
	s := &store{}
	report, err := s.desk().Plan(t.Context(), wanted(config))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"upstream openai : taken", "token openai: taken", "upstream groq : taken", "token groq: taken", "token far : left", "route fast groq/llama: taken"}
	if diff := cmp.Diff(want, outcomes(report)); diff != "" {
		t.Error(diff)
	}
	if report.Applied || report.Counts != (movein.Counts{Taken: 5, Left: 1}) || len(s.imported)+len(s.routes) > 0 {
		t.Errorf("applied %t, %+v; %v is imported", report.Applied, report.Counts, s.imported)
	}
	text, _ := json.Marshal(report)
	if strings.Contains(string(text), "made-up") || !strings.Contains(string(text), "sk-m…0001") {
		t.Errorf("secrets: %s", text)
	}
}

func TestMovingIn(t *testing.T) {
	t.Parallel()
	s := &store{}
	report, undo, err := s.desk().Apply(t.Context(), wanted(config))
	if err != nil || !report.Applied {
		t.Fatalf("applied %t, %v", report.Applied, err)
	}
	tags := []string{"from-litellm"}
	want := []row{
		{Upstream: "openai", Driver: "openai", BaseURL: "https://api.openai.com/v1", Models: []string{"gpt-4o"}},
		{Upstream: "groq", Driver: "openai", BaseURL: "https://api.groq.com/openai/v1", Models: []string{"llama"}},
		{Token: "sk-made-up-key-00000000000001", Upstream: "openai", Tags: tags, Cap: 4, Weight: 1, Enabled: true},
		{Token: "gsk-made-up-key-0000000000001", Upstream: "groq", Tags: tags, Weight: 1, Enabled: true},
	}
	if diff := cmp.Diff(want, s.imported); diff != "" {
		t.Error(diff)
	}
	if len(s.routes) != 1 || s.routes[0].GetMatch() != "fast" || s.routes[0].GetTargets()[0].GetModel() != "llama" {
		t.Errorf("routes %v", s.routes)
	}
	if former := undo.GetRoutes(); len(former) != 1 || former[0].GetName() != "fast" || former[0].GetRoute() != nil || former[0].GetBecame() == nil {
		t.Errorf("it is undone by %v", undo)
	}
}

// What was moved in is not taken a second time, and what an admin has changed since stays so.
func TestMovingInTwice(t *testing.T) {
	t.Parallel()
	s := &store{}
	if _, _, err := s.desk().Apply(t.Context(), wanted(config)); err != nil {
		t.Fatal(err)
	}
	s.imported = nil
	report, undo, err := s.desk().Apply(t.Context(), wanted(config))
	if err != nil || undo != nil || len(s.imported) > 0 || len(s.routes) != 1 {
		t.Errorf("%v is imported again, routes %v, undone by %v, %v", s.imported, s.routes, undo, err)
	}
	if report.Counts != (movein.Counts{Same: 5, Left: 1}) {
		t.Errorf("%+v", report.Counts)
	}
}

// What is here goes before what comes: an upstream at the same address is the upstream, a name that
// another one has is made another, a route stays.
func TestWhatIsHereStays(t *testing.T) {
	t.Parallel()
	s := &store{
		upstreams: []*tokenstorev1.Upstream{
			{Name: "mine", Driver: "openai", BaseUrl: "https://API.openai.com/v1/", Models: []string{"gpt-5"}},
			{Name: "groq", Driver: "openai", BaseUrl: "https://elsewhere.example/v1"},
		},
		routes:  []*tokenstorev1.Route{{Name: "quick", Match: "fast", Targets: []*tokenstorev1.RouteTarget{{Upstream: "mine", Weight: 1}}}},
		aliases: map[string]string{},
	}
	report, _, err := s.desk().Apply(t.Context(), wanted(config))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"upstream mine : same", "token mine: taken", "upstream groq-2 : taken", "token groq-2: taken", "token far : left", "route fast groq-2/llama: left"}
	if diff := cmp.Diff(want, outcomes(report)); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(report.Items[0].Reason, "lacks gpt-4o") || !strings.Contains(report.Items[5].Reason, "the route quick") || len(s.routes) != 1 {
		t.Errorf("%+v", report.Items)
	}
}

// A token whose name another one has goes without; one that is none is left with the store's
// reason.
func TestNamesThatAreTaken(t *testing.T) {
	t.Parallel()
	bundle := `{"type":"sub2api-data","proxies":[],"accounts":[
		{"name":"work","platform":"openai","type":"apikey","credentials":{"api_key":"sk-made-up-key-00000000000001"}},
		{"name":"bad","platform":"openai","type":"apikey","credentials":{"api_key":"not a key"}},
		{"name":"free","platform":"openai","type":"apikey","credentials":{"api_key":"sk-made-up-key-00000000000002"}}]}`
	s := &store{aliases: map[string]string{"sk-other": "work"}, refuses: map[string]string{"not a key": "the token has a character that tokens don't have"}}
	report, _, err := s.desk().Apply(t.Context(), movein.Wanted{Files: []foreign.File{{Name: "data.json", Content: []byte(bundle)}}, Format: "sub2api"})
	if err != nil {
		t.Fatal(err)
	}
	if s.aliases["sk-made-up-key-00000000000001"] != "" || s.aliases["sk-made-up-key-00000000000002"] != "free" {
		t.Errorf("they are called %v", s.aliases)
	}
	for i, want := range map[int]string{1: "changed", 2: "left", 3: "taken"} {
		if got := report.Items[i]; got.Outcome != want || want != "taken" && got.Reason == "" {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}

// What is for an upstream that can't be made is left with it.
func TestUpstreamsThatCantBe(t *testing.T) {
	t.Parallel()
	s := &store{}
	report, _, err := s.desk().Apply(t.Context(), wanted(`
model_list:
- {model_name: a, litellm_params: {model: openai/x, api_base: "https://refused.example/v1", api_key: sk-made-up-key-00000000000001}}
- {model_name: a, litellm_params: {model: openai/y, api_base: "https://fine.example/v1", api_key: sk-made-up-key-00000000000002}}
- {model_name: b, litellm_params: {model: openai/x, api_base: "https://refused.example/v1", api_key: sk-made-up-key-00000000000003}}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"upstream refused : left", "token refused: left", "upstream fine : taken", "token fine: taken", "token refused: left", "route a fine/y: taken", "route b : left"}
	if diff := cmp.Diff(want, outcomes(report)); diff != "" {
		t.Error(diff)
	}
}

func TestManyTokensArePreviewedInParts(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("model_list:\n")
	for i := range 450 {
		fmt.Fprintf(&text, "- {model_name: m, litellm_params: {model: openai/m, api_key: sk-made-up-key-%020d}}\n", i)
	}
	s := &store{aliases: map[string]string{fmt.Sprintf("sk-made-up-key-%020d", 449): ""}}
	report, _, err := s.desk().Apply(t.Context(), wanted(text.String()))
	if err != nil || report.Counts != (movein.Counts{Taken: 450, Same: 1}) || len(s.imported) != 450 {
		t.Errorf("%+v, %d imported, %v", report.Counts, len(s.imported), err)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	away := rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "away")
	for name, c := range map[string]struct {
		store store
		text  string
		kind  chat.Kind
	}{
		"no such form":           {store{}, "a: b", chat.InvalidRequest},
		"no store":               {store{err: away.GRPCStatus().Err()}, config, chat.StoreUnavailable},
		"no store in the middle": {store{noRoutes: away.GRPCStatus().Err()}, config, chat.StoreUnavailable},
	} {
		_, _, err := c.store.desk().Apply(t.Context(), wanted(c.text))
		if got := chat.AsError(err); got.Kind != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A route that the store refuses is left; the others are made.
func TestRoutesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := &store{noRoutes: rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "there are 500 routes already").GRPCStatus().Err()}
	report, undo, err := s.desk().Apply(t.Context(), wanted(config))
	last := report.Items[len(report.Items)-1]
	if err != nil || undo != nil || last.Outcome != "left" || !strings.Contains(last.Reason, "500 routes") || !slices.Contains(outcomes(report), "token groq: taken") {
		t.Errorf("%+v, %v, %v", last, undo, err)
	}
}
