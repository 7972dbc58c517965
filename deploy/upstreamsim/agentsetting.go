package upstreamsim

import (
	"errors"
	"slices"
	"time"
)

// AgentSettings are the switches of the agent side. The zero value checks everything and reacts
// as the upstream does, as far as that is known.
type AgentSettings struct {
	// Off are the numbers of checks that are neither counted nor reacted to.
	Off []int `json:"off,omitempty"`
	// MinVersion is the lowest client version that is served, as cli-2026.01.09-231024f;
	// only the date counts. Empty serves all.
	MinVersion string `json:"min_version,omitempty"`
	// Outdated is the dress of "Update Required": enum-28 (the default), enum-30, message.
	Outdated string `json:"outdated,omitempty"`
	// HTTPUnauthenticated has bad tokens refused with HTTP 401 instead of an end frame.
	HTTPUnauthenticated bool `json:"http_unauthenticated,omitempty"`
	// JWTOnly refuses bearers that are no JSON Web Tokens.
	JWTOnly bool `json:"jwt_only,omitempty"`
	// EmptyForSystemPrompt answers custom_system_prompt with an empty turn, and EmptyForRegion
	// what an account's region does not allow.
	EmptyForSystemPrompt bool `json:"empty_for_system_prompt,omitempty"`
	EmptyForRegion       bool `json:"empty_for_region,omitempty"`
	// RefuseToolHistory refuses steps with tools in the history of models that are neither
	// Composer nor Auto.
	RefuseToolHistory bool `json:"refuse_tool_history,omitempty"`
	// RefuseSeenRequests answers a request id that was seen before with already_exists.
	RefuseSeenRequests bool `json:"refuse_seen_requests,omitempty"`
	// ResetSilent resets a Run whose client has sent no heartbeat for 60 s.
	ResetSilent bool `json:"reset_silent,omitempty"`
	// MaxRuns is how many Runs an account may have at a time; 0 is without limit.
	MaxRuns int64 `json:"max_runs,omitempty"`
	// HeartbeatMS is the time between the server's heartbeats, 10 s by default.
	HeartbeatMS int64 `json:"heartbeat_ms,omitempty"`
	// QuietMS is the longest time between the client's heartbeats that is not counted,
	// 10 s by default.
	QuietMS int64 `json:"quiet_ms,omitempty"`
}

func (s AgentSettings) check() error {
	if s.MaxRuns < 0 || s.HeartbeatMS < 0 || s.QuietMS < 0 {
		return errors.New("numbers must not be negative")
	}
	if !slices.Contains([]string{"", "enum-28", "enum-30", "message"}, s.Outdated) {
		return errors.New("outdated must be enum-28, enum-30 or message")
	}
	if s.MinVersion != "" && !cliVersion.MatchString(s.MinVersion) {
		return errors.New("min_version must be like cli-2026.01.09-231024f")
	}
	return nil
}

func (s AgentSettings) heartbeat() time.Duration {
	if s.HeartbeatMS == 0 {
		return 10 * time.Second
	}
	return time.Duration(s.HeartbeatMS) * time.Millisecond
}

func (s AgentSettings) quiet() time.Duration {
	if s.QuietMS == 0 {
		return 10 * time.Second
	}
	return time.Duration(s.QuietMS) * time.Millisecond
}

func (s AgentSettings) on(rule int) bool { return !slices.Contains(s.Off, rule) }

// SetAgent changes the switches of the agent side, for Runs that begin later.
func (s *Simulator) SetAgent(settings AgentSettings) error {
	if err := settings.check(); err != nil {
		return err
	}
	s.agent.Store(&settings)
	return nil
}

// Agent answers the switches of the agent side.
func (s *Simulator) Agent() AgentSettings { return *s.agent.Load() }
