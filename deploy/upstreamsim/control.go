package upstreamsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const maxControlBody = 1 << 20

// ruleJSON is a Rule on the wire.
type ruleJSON struct {
	Token        string `json:"token,omitempty"`
	Organization string `json:"organization,omitempty"`
	Model        string `json:"model,omitempty"`
	Scenario     string `json:"scenario,omitempty"`
	Times        int    `json:"times,omitempty"`
	DelayMS      int64  `json:"delay_ms,omitempty"`
	ChunkDelayMS int64  `json:"chunk_delay_ms,omitempty"`
	RetryAfterS  int64  `json:"retry_after_s,omitempty"`
}

func (r ruleJSON) rule() Rule {
	return Rule{
		Token: r.Token, Organization: r.Organization, Model: r.Model, Scenario: r.Scenario, Times: r.Times,
		Delay:      time.Duration(r.DelayMS) * time.Millisecond,
		ChunkDelay: time.Duration(r.ChunkDelayMS) * time.Millisecond,
		RetryAfter: time.Duration(r.RetryAfterS) * time.Second,
	}
}

func ruleOnWire(r Rule) ruleJSON {
	return ruleJSON{
		Token: r.Token, Organization: r.Organization, Model: r.Model, Scenario: r.Scenario, Times: r.Times,
		DelayMS: r.Delay.Milliseconds(), ChunkDelayMS: r.ChunkDelay.Milliseconds(),
		RetryAfterS: int64(r.RetryAfter / time.Second),
	}
}

// control answers one call under /sim/.
type control func(*Simulator, http.ResponseWriter, *http.Request)

// controls are by method and path; agentControls are more of them.
var controls = map[string]control{
	"GET /sim/health": telling(func(*Simulator) any { return map[string]string{"status": "ok"} }),
	"GET /sim/ledger": telling(func(s *Simulator) any { return s.Ledger() }),
	"GET /sim/scenarios": telling(func(*Simulator) any {
		return map[API][]string{
			Cursor: Scenarios(Cursor), CursorAgent: Scenarios(CursorAgent), OpenAI: Scenarios(OpenAI), OpenAIResponses: Scenarios(OpenAIResponses),
			Anthropic: Scenarios(Anthropic),
		}
	}),
	"GET /sim/responses": telling(func(s *Simulator) any { return map[string][]ResponsesRecord{"calls": s.ResponsesCalls()} }),
	"GET /sim/rules":     telling((*Simulator).rulesOnWire),
	"POST /sim/rules": controlled(func(s *Simulator, rule *ruleJSON) (any, error) {
		err := s.SetRule(rule.rule())
		return s.rulesOnWire(), err
	}),
	"DELETE /sim/rules": doing((*Simulator).ClearRules),
	"POST /sim/reset":   doing((*Simulator).Reset),
	"POST /sim/release": telling(func(s *Simulator) any { return map[string]int64{"released": s.Release()} }),
	"POST /sim/client-version": controlled(func(s *Simulator, version *struct {
		Min string `json:"min"`
	},
	) (any, error) {
		s.SetMinClientVersion(version.Min)
		return nil, nil
	}),
	"POST /sim/quota": controlled(func(s *Simulator, quota *Quota) (any, error) { return nil, s.SetQuota(*quota) }),
}

// serveControl is everything under /sim/.
func (s *Simulator) serveControl(w http.ResponseWriter, r *http.Request) {
	call := r.Method + " " + r.URL.Path
	for _, known := range []map[string]control{controls, agentControls} {
		if answer := known[call]; answer != nil {
			answer(s, w, r)
			return
		}
	}
	controlProblem(w, http.StatusNotFound, fmt.Errorf("there is no %s", call))
}

// telling answers what it tells.
func telling(tell func(*Simulator) any) control {
	return func(s *Simulator, w http.ResponseWriter, _ *http.Request) { controlAnswer(w, http.StatusOK, tell(s)) }
}

// doing does something and answers nothing.
func doing(do func(*Simulator)) control {
	return func(s *Simulator, w http.ResponseWriter, _ *http.Request) {
		do(s)
		w.WriteHeader(http.StatusNoContent)
	}
}

// controlled decodes a body, does what it says, and answers what comes of it; nil: nothing.
func controlled[T any](do func(*Simulator, *T) (any, error)) control {
	return func(s *Simulator, w http.ResponseWriter, r *http.Request) {
		body := new(T)
		if err := decodeControl(w, r, body); err != nil {
			controlProblem(w, http.StatusBadRequest, err)
			return
		}
		switch answer, err := do(s, body); {
		case err != nil:
			controlProblem(w, http.StatusBadRequest, err)
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			controlAnswer(w, http.StatusOK, answer)
		}
	}
}

func (s *Simulator) rulesOnWire() any {
	wire := []ruleJSON{}
	for _, rule := range s.Rules() {
		wire = append(wire, ruleOnWire(rule))
	}
	return map[string][]ruleJSON{"rules": wire}
}

func decodeControl(w http.ResponseWriter, r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("body: more than one JSON value")
	}
	return nil
}

func controlAnswer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

func controlProblem(w http.ResponseWriter, status int, problem error) {
	controlAnswer(w, status, map[string]string{"error": problem.Error()})
}
