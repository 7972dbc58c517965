package upstreamsim

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Bounds of a record of a Run, in bytes and entries.
const (
	maxRecordText    = 2 << 10
	maxRecordRequest = 32 << 10
	maxRecordList    = 400
)

// How a Run ended.
const (
	EndTurn       = "turn ended"       // and the client closed it
	EndError      = "error"            // an error in an end frame
	EndLeft       = "left"             // reset by the client before its end
	EndAtCalls    = "left at calls"    // reset by the client while calls waited for their results
	EndBroken     = "broken"           // broken by the scenario
	EndRefused    = "refused"          // an HTTP status instead of a stream
	EndShutdown   = "simulator closed" // the simulator went first
	EndHalfClosed = "half-closed"      // the client half-closed before the turn's end
	EndSilent     = "silent"           // reset for want of heartbeats
)

// AgentRun is the record of one Run.
type AgentRun struct {
	Number    uint64    `json:"number"`
	StartedAt time.Time `json:"started_at"`
	// EndedAt is zero while the Run is open.
	EndedAt time.Time `json:"ended_at"`
	// End is one of the End constants, empty while the Run is open.
	End            string `json:"end"`
	Token          string `json:"token"`
	Subject        string `json:"subject,omitempty"`
	Model          string `json:"model"`
	Scenario       string `json:"scenario"`
	RequestID      string `json:"request_id"`
	ConversationID string `json:"conversation_id"`
	Remote         string `json:"remote"`
	// Request is the decoded run_request as JSON; absent where it is longer than 32 KiB.
	Request json.RawMessage `json:"request,omitempty"`
	// Text is the active user text, cut to 2 KiB; Resumed tells that there was none.
	Text    string `json:"text"`
	Resumed bool   `json:"resumed"`
	// History are the root messages, decoded, and Turns how many turns there were.
	History []HistoryMessage `json:"history"`
	Turns   int              `json:"turns"`
	// Tools and ContextTools are the names of the tools in mcp_tools and in the context.
	Tools        []string `json:"tools"`
	ContextTools []string `json:"context_tools"`
	Rules        []string `json:"rules"`
	// Images are those of the active message.
	Images []ImageSummary `json:"images"`
	// Calls are the MCP calls of this Run; Results what was answered to them in it.
	Calls   []AgentCall   `json:"calls"`
	Results []AgentResult `json:"results"`
	// Refusals are the native questions with the answers to them.
	Refusals []AgentRefusal `json:"refusals"`
	// Heartbeats are the client's; LongestQuietMS is the longest time between two of them.
	Heartbeats     int   `json:"heartbeats"`
	LongestQuietMS int64 `json:"longest_quiet_ms"`
	// Violations are the checks that the Run broke.
	Violations []string `json:"violations"`
}

// HistoryMessage is a root message.
type HistoryMessage struct {
	Role    string         `json:"role"`
	Text    string         `json:"text"`
	Calls   []AgentCall    `json:"calls,omitempty"`
	Results []AgentResult  `json:"results,omitempty"`
	Images  []ImageSummary `json:"images,omitempty"`
}

// AgentCall is a call of an MCP tool.
type AgentCall struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// AgentResult is what a tool answered. The SHA-256 is of the whole text, which is cut to 2 KiB.
type AgentResult struct {
	CallID  string         `json:"call_id"`
	Text    string         `json:"text"`
	SHA256  string         `json:"sha256"`
	IsError bool           `json:"is_error"`
	Images  []ImageSummary `json:"images,omitempty"`

	full string
}

// AgentRefusal is the answer to a question that a pure gateway refuses.
type AgentRefusal struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
	Reason   string `json:"reason"`
}

func agentResult(callID, text string, isError bool) AgentResult {
	return AgentResult{CallID: callID, Text: shortened(text), SHA256: hashOf(text), IsError: isError, full: text}
}

// shortened is a text of at most maxRecordText bytes, and some to say that it was longer.
func shortened(text string) string {
	if len(text) <= maxRecordText {
		return text
	}
	return text[:maxRecordText] + "… of " + strconv.Itoa(len(text)) + " bytes"
}

// AgentRuns is what the agent side has seen.
type AgentRuns struct {
	// Open are the Runs whose stream is open now.
	Open int64 `json:"open"`
	// Ends counts the others by how they ended.
	Ends map[string]int64 `json:"ends"`
	// Runs are the newest records, oldest first.
	Runs []AgentRun `json:"runs"`
}

// agentBook keeps the records of Runs. Its lock is also the records'.
type agentBook struct {
	mu     sync.Mutex
	number uint64
	open   map[*AgentRun]bool
	ends   map[string]int64
	runs   []*AgentRun
	// busy are the Runs of an account that have a slot.
	busy map[string]int64
	// requests and conversations were seen before; those poisoned have a call that was left.
	requests, conversations, poisoned seenSet
}

func newAgentBook() *agentBook {
	return &agentBook{open: map[*AgentRun]bool{}, ends: map[string]int64{}, busy: map[string]int64{}}
}

func (b *agentBook) begin(run *AgentRun) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.number++
	run.Number = b.number
	b.open[run] = true
	b.runs = keepNewest(b.runs, run)
}

func (b *agentBook) end(run *AgentRun, how string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open[run] {
		return
	}
	delete(b.open, run)
	run.End, run.EndedAt = how, at
	b.ends[how]++
}

// change changes a record.
func (b *agentBook) change(run *AgentRun, how func(*AgentRun)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	how(run)
}

// take gives a slot to a Run of the account, unless it has most already; 0 is without limit.
func (b *agentBook) take(account string, most int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if most > 0 && b.busy[account] >= most {
		return false
	}
	b.busy[account]++
	return true
}

func (b *agentBook) free(account string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.busy[account]--; b.busy[account] <= 0 {
		delete(b.busy, account)
	}
}

// AgentRuns answers the records of the agent side: how many Runs are open, how the others ended,
// and the newest of them.
func (s *Simulator) AgentRuns() AgentRuns {
	b := s.book.Load().agent
	b.mu.Lock()
	defer b.mu.Unlock()
	told := AgentRuns{Open: int64(len(b.open)), Ends: maps.Clone(b.ends), Runs: []AgentRun{}}
	for _, run := range b.runs {
		told.Runs = append(told.Runs, run.clone())
	}
	return told
}

// OpenRuns tells how many Runs are open, and how the others have ended, without their records.
func (s *Simulator) OpenRuns() (open int64, ends map[string]int64) {
	b := s.book.Load().agent
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(len(b.open)), maps.Clone(b.ends)
}

func (r *AgentRun) clone() AgentRun {
	c := *r
	c.History, c.Tools, c.ContextTools, c.Rules = slices.Clone(r.History), slices.Clone(r.Tools), slices.Clone(r.ContextTools), slices.Clone(r.Rules)
	c.Images, c.Calls, c.Results = slices.Clone(r.Images), slices.Clone(r.Calls), slices.Clone(r.Results)
	c.Refusals, c.Violations = slices.Clone(r.Refusals), slices.Clone(r.Violations)
	return c
}

// maxSeen bounds a seenSet.
const maxSeen = 100_000

// seenSet remembers the newest texts that were added. Its owner locks.
type seenSet struct {
	has   map[string]bool
	order []string
}

// add tells whether the text is new.
func (s *seenSet) add(text string) bool {
	if s.has[text] {
		return false
	}
	if s.has == nil {
		s.has = map[string]bool{}
	}
	if len(s.order) == maxSeen {
		for _, old := range s.order[:maxSeen/2] {
			delete(s.has, old)
		}
		s.order = slices.Clone(s.order[maxSeen/2:])
	}
	s.has[text] = true
	s.order = append(s.order, text)
	return true
}
