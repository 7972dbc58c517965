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

// serveControl is everything under /sim/.
func (s *Simulator) serveControl(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /sim/health":
		controlAnswer(w, http.StatusOK, map[string]string{"status": "ok"})
	case "GET /sim/ledger":
		controlAnswer(w, http.StatusOK, s.Ledger())
	case "GET /sim/scenarios":
		controlAnswer(w, http.StatusOK, map[API][]string{
			Cursor: Scenarios(Cursor), CursorAgent: Scenarios(CursorAgent), OpenAI: Scenarios(OpenAI), Anthropic: Scenarios(Anthropic),
		})
	case "GET /sim/rules":
		s.answerRules(w)
	case "POST /sim/rules":
		var rule ruleJSON
		if err := decodeControl(w, r, &rule); err != nil {
			controlProblem(w, http.StatusBadRequest, err)
		} else if err := s.SetRule(rule.rule()); err != nil {
			controlProblem(w, http.StatusBadRequest, err)
		} else {
			s.answerRules(w)
		}
	case "DELETE /sim/rules":
		s.ClearRules()
		w.WriteHeader(http.StatusNoContent)
	case "POST /sim/reset":
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	case "POST /sim/release":
		controlAnswer(w, http.StatusOK, map[string]int64{"released": s.Release()})
	case "POST /sim/client-version":
		var version struct {
			Min string `json:"min"`
		}
		if err := decodeControl(w, r, &version); err != nil {
			controlProblem(w, http.StatusBadRequest, err)
			return
		}
		s.SetMinClientVersion(version.Min)
		w.WriteHeader(http.StatusNoContent)
	case "POST /sim/quota":
		var quota Quota
		if err := decodeControl(w, r, &quota); err != nil {
			controlProblem(w, http.StatusBadRequest, err)
			return
		}
		if err := s.SetQuota(quota); err != nil {
			controlProblem(w, http.StatusBadRequest, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		controlProblem(w, http.StatusNotFound, fmt.Errorf("there is no %s %s", r.Method, r.URL.Path))
	}
}

func (s *Simulator) answerRules(w http.ResponseWriter) {
	wire := []ruleJSON{}
	for _, rule := range s.Rules() {
		wire = append(wire, ruleOnWire(rule))
	}
	controlAnswer(w, http.StatusOK, map[string][]ruleJSON{"rules": wire})
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
