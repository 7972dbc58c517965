package upstreamsim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxRules = 1_000
	// minRuleToken is the fewest hex digits that name a token in a rule.
	minRuleToken = 8
)

// Rule changes the answers to the requests that it matches. Among the rules that
// match the newest counts.
type Rule struct {
	// Token is the first 8 or more hex digits of a token's SHA-256, as Fingerprint
	// answers them; empty matches every token.
	Token string
	// Organization matches the tokens of one organization, whose name is in them:
	// sk-ant-org-<name>-<rest> or sk-org-<name>-<rest>; empty matches every token.
	Organization string
	// Model matches the model id exactly; empty matches every model.
	Model string
	// Scenario comes before the one that the model id names; empty leaves that.
	Scenario string
	// Times is the number of requests that the rule is for; 0 is without limit.
	Times int
	// Delay is waited before the answer begins.
	Delay time.Duration
	// ChunkDelay is waited between text events.
	ChunkDelay time.Duration
	// RetryAfter, in whole seconds, comes before the usual Retry-After of HTTP 429
	// and 503.
	RetryAfter time.Duration
}

func (r Rule) check() error {
	var problems []error
	if r.Token != "" {
		if len(r.Token) < minRuleToken || !isHex(r.Token) {
			problems = append(problems, fmt.Errorf("token must be at least %d lower-case hex digits of the token's SHA-256", minRuleToken))
		}
	}
	if r.Scenario != "" {
		kind := parseScenario(r.Scenario).kind
		_, ofAgent := agentScripts[kind]
		if !ofAgent && cursorScripts[kind] == nil && openAIScripts[kind] == nil && responsesScripts[kind] == nil && anthropicScripts[kind] == nil {
			problems = append(problems, fmt.Errorf("there is no scenario %q", r.Scenario))
		}
	}
	if r.Times < 0 || r.Delay < 0 || r.ChunkDelay < 0 || r.RetryAfter < 0 {
		problems = append(problems, errors.New("numbers must not be negative"))
	}
	return errors.Join(problems...)
}

func (r Rule) matches(a *account, model string) bool {
	return (r.Token == "" || strings.HasPrefix(a.hash, r.Token)) && (r.Organization == "" || r.Organization == a.organization) &&
		(r.Model == "" || r.Model == model)
}

// SetRule adds a rule.
func (s *Simulator) SetRule(rule Rule) error {
	if err := rule.check(); err != nil {
		return err
	}
	return s.rules.add(rule)
}

// Rules answers the rules in force, newest first, with the times that are left.
func (s *Simulator) Rules() []Rule { return s.rules.all() }

// ClearRules removes all rules.
func (s *Simulator) ClearRules() { s.rules.clear() }

// rules are newest first. Without any, a request pays one atomic read.
type rules struct {
	any  atomic.Bool
	mu   sync.Mutex
	list []Rule
}

func (r *rules) add(rule Rule) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == maxRules {
		return fmt.Errorf("there are %d rules already", maxRules)
	}
	r.list = slices.Insert(r.list, 0, rule)
	r.any.Store(true)
	return nil
}

func (r *rules) all() []Rule {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

func (r *rules) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = nil
	r.any.Store(false)
}

// take answers the rule for a request, the zero one where none matches, and counts
// its use.
func (r *rules) take(a *account, model string) Rule {
	if !r.any.Load() {
		return Rule{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.IndexFunc(r.list, func(rule Rule) bool { return rule.matches(a, model) })
	if at < 0 {
		return Rule{}
	}
	rule := r.list[at]
	switch rule.Times {
	case 0:
	case 1:
		r.list = slices.Delete(r.list, at, at+1)
	default:
		r.list[at].Times--
	}
	return rule
}
