package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openai/openai-go/v3/option"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// ear is a webhook that counts what it is told: `+CarouselPoolDry dry` when it fires, `-` when it
// is over.
type ear struct {
	*httptest.Server
	mu    sync.Mutex
	heard map[string]int
}

func newEar(t *testing.T) *ear {
	t.Helper()
	e := &ear{heard: map[string]int{}}
	e.Server = httptest.NewServer(http.HandlerFunc(e.hear))
	t.Cleanup(e.Close)
	return e
}

func (e *ear) hear(_ http.ResponseWriter, r *http.Request) {
	said := stack.ReadAlerts(r)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, each := range said {
		mark := map[string]string{"firing": "+", "resolved": "-"}[each.Status]
		e.heard[mark+each.Of()]++
	}
}

func (e *ear) times(what string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard[what]
}

// watched is a stack of two tokenstores that tell an ear.
type watched struct {
	t *testing.T
	*stack.Stack
	ear *ear
	// of are the faults that were played.
	of []string
}

// heard waits until the ear has been told something, and does something again and again meanwhile.
func (w *watched) heard(what string, meanwhile func()) {
	w.t.Helper()
	stack.Eventually(w.t, "the webhook is told "+what, 3*time.Minute, func() bool {
		if meanwhile != nil {
			meanwhile()
		}
		return w.ear.times(what) > 0
	})
}

// played plays a fault until it is told, and its end until that is.
func (w *watched) played(alert, upstream string, fault, end func()) {
	w.t.Helper()
	of := alert + " " + upstream
	w.of = append(w.of, of)
	w.heard("+"+of, fault)
	w.heard("-"+of, end)
}

// chat sends a request, whatever comes of it.
func (w *watched) chat(model string) {
	sdk := w.Gateways[0].SDK(option.WithRequestTimeout(time.Minute), option.WithMaxRetries(0))
	_, _ = sdk.Chat.Completions.New(w.t.Context(), ask(model, "hello")) // its failure may be the fault that is played
}

// The same faults as of the alerts for Prometheus reach a webhook exactly once, with two
// tokenstores, and their ends once; also after one of the tokenstores has been killed.
func TestFaultsAreToldOnce(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2, Tokenstores: 2, TokenstoreEnv: []string{"NOTIFY_PATIENCE=3s"}})
	w := &watched{t: t, Stack: s, ear: newEar(t)}
	s.AddTokens("openai", "o", 4, 0)
	w.chat("openai/gpt-test")
	s.Gateways[0].MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/notifications/destinations", map[string]any{"name": "ear", "kind": "webhook", "url": w.ear.URL + "/very-secret-path"})

	for range 2 { // the second time one tokenstore is left
		name := fmt.Sprint("dry", len(w.of))
		s.PutCursor(name)
		expired := s.AddExpiring(name, stack.SoonExpired)
		w.heard("+CarouselTokenExpired "+name, nil)
		w.played("CarouselPoolDry", name, nil, func() {
			s.Gateways[0].Admin(t, http.MethodDelete, "/admin/api/tokens/"+expired, nil)
		})
		w.heard("-CarouselTokenExpired "+name, nil)
		w.of = append(w.of, "CarouselTokenExpired "+name)

		if len(w.of) < 3 {
			w.playWorn()
			if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: "http-401"}); err != nil {
				t.Fatal(err)
			}
			w.played("CarouselGuardOpen", "openai", func() { w.chat("openai/gpt-test") }, func() {
				s.Sim.ClearRules()
				w.chat("openai/gpt-test")
			})
			w.playOutage()
			s.Tokenstores[0].Kill()
			s.Gateways = s.Gateways[1:] // which is at the other one
		}
	}
	w.ear.mu.Lock()
	heard := maps.Clone(w.ear.heard)
	w.ear.mu.Unlock()
	for _, of := range w.of {
		if begun, over := heard["+"+of], heard["-"+of]; begun != 1 || over != 1 {
			t.Errorf("%s: told %d times, its end %d times", of, begun, over)
		}
	}
	w.checkSecrets()
}

// playWorn has the upstream refuse one token of three for good, until that is parked.
func (w *watched) playWorn() {
	w.t.Helper()
	w.PutUpstream("worn", map[string]any{"driver": "openai", "base_url": w.SimURL + "/v1", "models": []string{"gpt-worn"}})
	worn := w.AddTokens("worn", "w", 3, 0)[0]
	// It has failed three times already, which takes minutes.
	if err := w.RedisClient().HSet(w.t.Context(), "c1:{pool:worn}:token:"+worn.ID, "streak", 3, "cause", "auth").Err(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.Sim.SetRule(upstreamsim.Rule{Token: upstreamsim.Fingerprint(worn.Secret), Scenario: "http-401"}); err != nil {
		w.t.Fatal(err)
	}
	w.played("CarouselTokenParked", "worn", func() { w.chat("worn/gpt-worn") }, func() {
		w.Gateways[0].Admin(w.t, http.MethodDelete, "/admin/api/tokens/"+worn.ID, nil)
	})
	w.Sim.ClearRules()
}

// playOutage has Redis hang, which who led last tells by itself.
func (w *watched) playOutage() {
	w.t.Helper()
	w.Redis.Freeze()
	w.heard("+CarouselStoreDown ", nil)
	w.Redis.Thaw()
	w.heard("-CarouselStoreDown ", nil)
	w.of = append(w.of, "CarouselStoreDown ")
}

// checkSecrets looks for the webhook's path where it must not be.
func (w *watched) checkSecrets() {
	w.t.Helper()
	shown := w.Gateways[0].MustAdmin(w.t, http.StatusOK, http.MethodGet, "/admin/api/notifications", nil)
	for name, text := range map[string]string{
		"the API": string(shown.Body), "a log": w.Tokenstores[0].Log() + w.Tokenstores[1].Log() + w.Gateways[0].Log(),
	} {
		if strings.Contains(text, "very-secret-path") {
			w.t.Errorf("the webhook's URL is in %s", name)
		}
	}
}
