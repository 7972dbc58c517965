package adminapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// fast is a route as the store has it, fastChain how it is served.
var (
	fast = &tokenstorev1.Route{
		Name: "fast", Targets: []*tokenstorev1.RouteTarget{
			{Upstream: "vendor", Model: "gpt-4o", Weight: 3}, {Upstream: "gone", Priority: 1, Weight: 1},
		},
		Parameters: []*tokenstorev1.RouteParameter{
			{Name: "reasoning_effort", Value: `"low"`}, {Name: "temperature", Value: "0.2", OnlyDefault: true},
		},
		Version: 3,
	}
	fastChain = routing.Chain{
		Route: &routing.Route{Name: "fast", Match: "fast", Parameters: []chat.Parameter{
			{Name: chat.SetEffort, Value: `"low"`}, {Name: chat.SetTemperature, Value: "0.2", OnlyDefault: true},
		}},
		Targets: []routing.Target{
			{Upstream: "gone", Model: "fast", Weight: 1, Why: "there is no such upstream"},
			{Upstream: "vendor", Model: "gpt-4o", Weight: 3, Priority: 1},
		},
	}
)

const fastObject = `{"name":"fast","match":"fast","targets":[{"upstream":"vendor","model":"gpt-4o","priority":0,"weight":3},` +
	`{"upstream":"gone","model":"","priority":1,"weight":1}],"parameters":{"reasoning_effort":"low","temperature":{"default":0.2}},"version":3`

func TestRouteObjects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/admin/api/routes", "", `{"routes":[` + fastObject + `}]}`},
		{"GET", "/admin/api/routes/fast", "", fastObject + `}`},
		{
			"PUT", "/admin/api/routes/fast", `{"targets":[{"upstream":"vendor"}]}`,
			fastObject + `,"warnings":["there is no upstream \"gone\": until there is, this target can't serve"]}`,
		},
	} {
		w := send(t, newStore(), c.method, c.path, key, c.body)
		if got := w.Body.String(); got != c.want {
			t.Errorf("%s %s: got\n%s, want\n%s", c.method, c.path, got, c.want)
		}
		if etag := w.Header().Get("ETag"); c.path == "/admin/api/routes/fast" && etag != `"3"` {
			t.Errorf("%s: ETag %s", c.method, etag)
		}
	}
	if w := send(t, newStore(), "GET", "/admin/api/routes/slow", key, ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `no route \"slow\"`) {
		t.Errorf("a route that is not there: %d %s", w.Code, w.Body)
	}
}

// What an admin did to a route is in the audit log.
func TestRouteAudit(t *testing.T) {
	t.Parallel()
	s := newStore()
	send(t, s, "PUT", "/admin/api/routes/fast", key, `{"targets":[{"upstream":"vendor"}]}`)
	send(t, s, "DELETE", "/admin/api/routes/fast", key, "")
	var done []string
	for _, entry := range s.kept {
		details, _ := json.Marshal(entry.GetDetails())
		done = append(done, entry.GetAction()+" "+string(details))
	}
	want := []string{`route put {"match":"fast","route":"fast","targets":"vendor/gpt-4o, gone"}`, `route deleted {"route":"fast"}`}
	if diff := cmp.Diff(want, done); diff != "" {
		t.Error(diff)
	}
}

// Of a route the whole chain is shown, and what was always shown is that of the target that
// would serve.
func TestExplainRoute(t *testing.T) {
	t.Parallel()
	w := send(t, newStore(), "GET", "/admin/api/explain?model=fast", key, "")
	var got struct {
		Route    json.RawMessage `json:"route"`
		Upstream string          `json:"upstream"`
		Chosen   string          `json:"chosen"`
		Targets  []struct {
			Upstream   string            `json:"upstream"`
			Order      int               `json:"order"`
			Share      float64           `json:"share"`
			Excluded   *string           `json:"excluded"`
			Candidates []json.RawMessage `json:"candidates"`
		} `json:"targets"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"fast","match":"fast","parameters":{"reasoning_effort":"low","temperature":{"default":0.2}}}`; string(got.Route) != want {
		t.Errorf("route %s", got.Route)
	}
	if got.Upstream != "vendor" || got.Chosen != "t1" || len(got.Targets) != 2 {
		t.Fatalf("%s", w.Body)
	}
	first, last := got.Targets[0], got.Targets[1]
	if first.Upstream != "vendor" || first.Order != 1 || first.Share != 1 || first.Excluded != nil || len(first.Candidates) != 2 {
		t.Errorf("first %+v", first)
	}
	if last.Upstream != "gone" || last.Order != 2 || last.Share != 0 || last.Excluded == nil || *last.Excluded != "there is no such upstream" || len(last.Candidates) != 0 {
		t.Errorf("last %+v", last)
	}
}
