package upstreamsim

import (
	"errors"
	"net/http"
)

// agentControls are the paths under /sim/ that are for the agent side and for logins.
var agentControls = map[string]control{
	"GET /sim/agent": telling(func(s *Simulator) any { return s.Agent() }),
	"POST /sim/agent": controlled(func(s *Simulator, settings *AgentSettings) (any, error) {
		return settings, s.SetAgent(*settings)
	}),
	"GET /sim/agent/runs": (*Simulator).answerRuns,
	"GET /sim/agent/open": telling(func(s *Simulator) any {
		open, ends := s.OpenRuns()
		return AgentRuns{Open: open, Ends: ends, Runs: []AgentRun{}}
	}),
	"GET /sim/agent/models": telling(func(s *Simulator) any { return s.AgentModels() }),
	"POST /sim/agent/models": controlled(func(s *Simulator, models *[]AgentModel) (any, error) {
		return models, s.SetAgentModels(*models)
	}),
	"POST /sim/agent/url": controlled(func(s *Simulator, to *struct {
		URL string `json:"url"`
	},
	) (any, error) {
		s.SetAgentURL(to.URL)
		return to, nil
	}),
	"GET /sim/accounts": telling(func(s *Simulator) any { return s.Logins() }),
	"POST /sim/accounts": controlled(func(s *Simulator, wanted *struct {
		AccountSettings
		Count int `json:"count"`
	},
	) (any, error) {
		made, err := s.CreateAccounts(max(wanted.Count, 1), wanted.AccountSettings)
		return map[string][]NewAccount{"accounts": made}, err
	}),
	"POST /sim/accounts/change": controlled(func(s *Simulator, change *struct {
		AccountSettings
		Subject string `json:"subject"`
	},
	) (any, error) {
		return change, s.ChangeAccounts(change.Subject, change.AccountSettings)
	}),
	"POST /sim/accounts/revoke": controlled(func(s *Simulator, wanted *struct {
		Subject string `json:"subject"`
		Access  bool   `json:"access"`
		Refresh bool   `json:"refresh"`
	},
	) (any, error) {
		var errs []error
		if wanted.Access {
			errs = append(errs, s.RevokeAccess(wanted.Subject))
		}
		if wanted.Refresh {
			errs = append(errs, s.RevokeRefresh(wanted.Subject))
		}
		return wanted, errors.Join(errs...)
	}),
	"POST /sim/polls": controlled(func(s *Simulator, wanted *struct {
		Statuses []int `json:"statuses"`
	},
	) (any, error) {
		s.SetPolls(wanted.Statuses)
		return wanted, nil
	}),
}

// answerRuns answers the Runs of a model, of a token or of a subject, or all.
func (s *Simulator) answerRuns(w http.ResponseWriter, r *http.Request) {
	told := s.AgentRuns()
	wanted := r.URL.Query()
	kept := []AgentRun{}
	for _, run := range told.Runs {
		if (!wanted.Has("model") || run.Model == wanted.Get("model")) && (!wanted.Has("token") || run.Token == wanted.Get("token")) &&
			(!wanted.Has("subject") || run.Subject == wanted.Get("subject")) {
			kept = append(kept, run)
		}
	}
	told.Runs = kept
	controlAnswer(w, http.StatusOK, told)
}

// SetAgentURL changes the address of Runs that GetServerConfig tells; empty tells none.
func (s *Simulator) SetAgentURL(url string) { s.agentURL.Store(&url) }
