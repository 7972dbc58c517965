package upstreamsim

import (
	"cmp"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultSlowInterval = time.Second
	defaultHeartbeat    = 200 * time.Millisecond
	// maxBody bounds a request's body, in bytes.
	maxBody = 32 << 20
	// maxAnswer bounds the time that one answer may take, held or not.
	maxAnswer = time.Hour
)

// Options configure a Simulator. The zero value accepts every bearer token.
type Options struct {
	// Tokens, when there are any, are the only ones accepted, on both sides.
	Tokens []string
	// MinClientVersion is the lowest x-cursor-client-version that is served;
	// empty serves all.
	MinClientVersion string
	// Quota is what each Cursor token may be used for.
	Quota Quota
	// SealKey signs Anthropic's thinking; simulators with another one refuse it. All
	// have the same one by default.
	SealKey string
	// Models are the ids that OpenAI's /v1/models lists before the scenarios.
	Models []string
	// SlowInterval is the time between the text events of "slow"; one second by
	// default.
	SlowInterval time.Duration
	// Heartbeat is the time between the frames of "heartbeat-only"; 200 ms by default.
	Heartbeat time.Duration
	// Now is the clock of checks and answers; time.Now by default.
	Now func() time.Time
}

// Simulator is the simulated upstreams and their control API as one
// http.Handler. It is safe for concurrent use.
type Simulator struct {
	options    Options
	accepted   map[string]bool // hashes of Options.Tokens, nil for any
	book       atomic.Pointer[book]
	rules      rules
	gate       gate
	watchers   watchers
	minVersion atomic.Pointer[string]
	quota      atomic.Pointer[Quota]
	agent      atomic.Pointer[AgentSettings]
	catalog    atomic.Pointer[[]AgentModel] // of the agent side
	agentURL   atomic.Pointer[string]       // what GetServerConfig tells
	logins     *logins
	// connections are the open ones of the server, net.Conn to *watchedConn.
	connections sync.Map
	blocks      map[string]blockShape // of Anthropic's content
	sequence    atomic.Uint64         // numbers the answers of OpenAI's and Anthropic's side

	closing sync.Once
	closed  chan struct{}
}

// New makes a simulator.
func New(options Options) *Simulator {
	options.SlowInterval = cmp.Or(options.SlowInterval, defaultSlowInterval)
	options.Heartbeat = cmp.Or(options.Heartbeat, defaultHeartbeat)
	options.SealKey = cmp.Or(options.SealKey, defaultSealKey)
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Models == nil {
		options.Models = []string{"gpt-4o", "gpt-4o-mini", "echo-request", "tool-call"}
	}
	s := &Simulator{options: options, blocks: blockShapes(), closed: make(chan struct{})}
	if len(options.Tokens) > 0 {
		s.accepted = make(map[string]bool, len(options.Tokens))
		for _, token := range options.Tokens {
			s.accepted[hashOf(token)] = true
		}
	}
	s.gate.opened = make(chan struct{})
	s.book.Store(newBook())
	s.minVersion.Store(&options.MinClientVersion)
	s.quota.Store(&options.Quota)
	s.agent.Store(new(AgentSettings))
	s.agentURL.Store(new(string))
	s.logins = newLogins(options.Now)
	models := defaultAgentModels()
	s.catalog.Store(&models)
	return s
}

// Server answers a server for the simulator, HTTP/1.1 and unencrypted HTTP/2. Its
// owner listens, serves and shuts it down, and calls Close first.
func (s *Simulator) Server() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           s,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      maxAnswer,
		IdleTimeout:       5 * time.Minute,
		ConnContext:       s.withConnection,
		ConnState:         s.connectionState,
	}
}

// Close ends everything that is held, silent or slow. The simulator answers no
// scenario that waits after it.
func (s *Simulator) Close() { s.closing.Do(func() { close(s.closed) }) }

// SetMinClientVersion changes Options.MinClientVersion.
func (s *Simulator) SetMinClientVersion(version string) { s.minVersion.Store(&version) }

// Reset forgets the ledger, the rules, the tokens' device ids and what was counted
// against their quota, and frees what is held. Requests still in flight are no longer counted.
func (s *Simulator) Reset() {
	s.ClearRules()
	s.book.Store(newBook())
	s.Release()
	s.watchers.notify()
}

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.serveBase(w, r) {
		return
	}
	switch path := r.URL.Path; {
	case path == "/v1/chat/completions":
		s.serveCompletions(w, r)
	case path == responsesPath || strings.HasPrefix(path, responsesPath+"/"):
		s.serveResponses(w, r)
	case path == messagesPath || path == countPath:
		s.serveMessages(w, r)
	case path == agentRunPath:
		s.serveAgentRun(w, r)
	case agentUnary[path] != nil:
		s.serveAgentUnary(w, r)
	case loginPaths[path] != nil:
		loginPaths[path](s, w, r)
	case path == cursorPath:
		s.serveStreamChat(w, r)
	case (path == "/v1/models" || strings.HasPrefix(path, "/v1/models/")) && isAnthropic(r):
		s.serveClaudeModels(w, r)
	case path == "/v1/models" || strings.HasPrefix(path, "/v1/models/"):
		s.serveModels(w, r)
	case endpoints[path] != nil:
		s.serveSide(w, r)
	case lookups[path] != nil:
		s.serveLookup(w, r)
	case strings.HasPrefix(path, "/sim/"):
		s.serveControl(w, r)
	case strings.HasPrefix(path, "/aiserver."):
		s.serveUnknownRPC(w, r)
	default:
		s.serveUnknownPath(w, r)
	}
}
