package upstream

import (
	"slices"
	"strings"
	"time"

	"carousel.internal/gateway/internal/ondemand"
)

// Complaint is what is known of a failure before it has a class.
type Complaint struct {
	// Status is the HTTP status: 200 for an error inside an answer that began well,
	// 0 where no answer began.
	Status int
	// Names are what the upstream calls the error, or signs.
	Names []string
	// Text is what the upstream says in words.
	Text string
}

// Signs are Complaint.Names for what an attempt shows where the upstream says
// nothing. No upstream's own name has their form.
const (
	// SignUnreachable: no connection, or it was lost before an answer began.
	SignUnreachable = "(unreachable)"
	// SignProxy: the proxy could not be reached, or refused.
	SignProxy = "(proxy)"
	// SignLost: the connection broke in the middle of the answer.
	SignLost = "(lost)"
	// SignCut: the answer ended early.
	SignCut = "(cut)"
	// SignEmpty: the answer is complete and says nothing.
	SignEmpty = "(empty)"
	// SignGarbled: what came is no answer.
	SignGarbled = "(garbled)"
	// SignPage: a web page came instead of an answer.
	SignPage = "(page)"
	// SignSilent: nothing came for as long as a timeout allows.
	SignSilent = "(silent)"
	// SignLate: the caller's time is over.
	SignLate = "(late)"
	// SignHungUp: the client hung up.
	SignHungUp = "(hung up)"
)

// Rule is one row of a table of failures. All conditions that are set must hold; a
// rule without any holds always.
type Rule struct {
	// Name is the row's, unique in its table; the log shows it.
	Name string
	// From and To are the statuses that match, both included; 0: any.
	From, To int
	// Names are those of which one must be among the complaint's, in lower case.
	Names []string
	Text  *ondemand.Pattern

	// Class is what the failure is.
	Class Class
	// ModelOnly tells that it is about the token with this model, where the class
	// would be about the whole token.
	ModelOnly bool
	// GroupWide tells that it is about all tokens of the token's group.
	GroupWide bool
	// CoolFor is how long the token shall rest, where the upstream does not say; 0: as
	// the class has it.
	CoolFor time.Duration
}

// Matches tells whether every condition holds.
func (r *Rule) Matches(c Complaint) bool {
	switch {
	case r.To != 0 && (c.Status < r.From || c.Status > r.To):
		return false
	case len(r.Names) > 0 && !slices.ContainsFunc(c.Names, func(name string) bool {
		return slices.Contains(r.Names, strings.ToLower(name))
	}):
		return false
	default:
		return r.Text == nil || r.Text.MatchString(c.Text)
	}
}

// Table is rules in the order of their rank. A driver's table ends with a rule that
// always holds.
type Table []Rule

// SignRules judge what the connection shows, which every driver does alike.
var SignRules = Table{
	{Name: "unreachable", Names: []string{SignUnreachable}, Class: Transport},
	{Name: "proxy", Names: []string{SignProxy}, Class: Proxy},
	{Name: "connection lost", Names: []string{SignLost}, Class: Transport},
	{Name: "cut short", Names: []string{SignCut}, Class: Truncated},
	{Name: "empty", Names: []string{SignEmpty}, Class: Truncated},
	{Name: "garbled", Names: []string{SignGarbled}, Class: Truncated},
	{Name: "silent", Names: []string{SignSilent}, Class: Broken},
	{Name: "late", Names: []string{SignLate}, Class: Broken},
	{Name: "hung up", Names: []string{SignHungUp}, Class: ClientGone},
}

// Judge finds the first rule that matches; nil: none does.
func (t Table) Judge(c Complaint) *Rule {
	for i := range t {
		if t[i].Matches(c) {
			return &t[i]
		}
	}
	return nil
}

// Fail makes the failure that the table sees in the complaint. Message, Code and the
// rest are the driver's to add.
func (t Table) Fail(c Complaint) *Failure {
	failure := &Failure{Status: c.Status}
	failure.judge(t.Judge(c))
	return failure
}

// Revise applies an admin's rules to a failure of an upstream's answer. They see what
// the log shows of it: status, code and message. What happened on this side, or
// before an answer began, is not theirs to judge.
func (t Table) Revise(failure *Failure) {
	if failure.Status == 0 || failure.Class.Ours() {
		return
	}
	rule := t.Judge(Complaint{Status: failure.Status, Names: []string{failure.Code}, Text: failure.Message})
	if rule != nil {
		failure.judge(rule)
	}
}

func (f *Failure) judge(rule *Rule) {
	f.Class, f.ModelOnly, f.GroupWide, f.Rule = rule.Class, rule.ModelOnly, rule.GroupWide, rule.Name
	if f.RetryAfter == 0 {
		f.RetryAfter = rule.CoolFor
	}
}
